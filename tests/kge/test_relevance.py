"""Which images are typical, and which relations' heads look like their tails."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from mkgc.kge import relevance
from mkgc.kge.relevance import mean_rank_percentage, medoid


def at(*degrees: float) -> Tensor:
    """Vectors of length 1 in a plane."""
    return torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees])


def test_the_typical_image_is_most_like_the_others_of_its_entity() -> None:
    vectors, owners = at(0, 80, 30, 200, 10, 90), torch.tensor([4, 4, 4, 1, 6, 6])
    assert medoid(vectors, owners).tolist() == [3, 2, 4]  # of two, the first


def test_an_entity_may_have_its_images_anywhere() -> None:
    vectors, owners = at(0, 7, 80, 30), torch.tensor([4, 1, 4, 4])
    assert medoid(vectors, owners).tolist() == [1, 3]
    assert medoid(at()[:0].reshape(0, 2), owners[:0]).tolist() == []


def percentages(*triples: tuple[int, int, int]) -> list[float]:
    """Of entities 0 to 4, whose images are ever further from 0's; entity 5 has none."""
    owners = torch.arange(5)
    return mean_rank_percentage(torch.tensor(triples), 3, at(0, 10, 20, 40, 80), owners).tolist()


def test_tails_are_ranked_among_all_tails_by_likeness_to_the_head() -> None:
    near, far, missing = percentages((0, 0, 1), (0, 1, 4), (1, 1, 3), (3, 0, 2))
    # Tails 1, 2, 3, 4: for 0 they come in that order, for 1 too (itself first), for 3 in the order 3, 2, 1, 4.
    assert near == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert far == pytest.approx((4 / 4 + 3 / 4) / 2)
    assert math.isnan(missing)


def test_a_head_counts_once_however_many_tails_it_has() -> None:
    assert percentages((0, 0, 1), (0, 0, 2), (0, 0, 4), (4, 0, 1))[0] == pytest.approx((2 / 3 + 3 / 3) / 2)


def test_triples_that_say_nothing_of_images_are_left_out() -> None:
    alone = percentages((0, 0, 1), (0, 1, 2))
    more = percentages((0, 0, 1), (0, 1, 2), (0, 1, 2), (5, 0, 1), (0, 0, 5), (3, 0, 4), (3, 1, 4))
    assert_close(more, alone, equal_nan=True)


def test_equals_share_their_ranks() -> None:
    owners = torch.arange(3)
    found = mean_rank_percentage(torch.tensor([[0, 0, 1], [0, 1, 2]]), 2, at(0, 90, 90), owners)
    assert_close(found, torch.tensor([0.75, 0.75]))


def test_no_images_are_no_error() -> None:
    assert math.isnan(mean_rank_percentage(torch.tensor([[0, 0, 1]]), 1, at()[:0].reshape(0, 2), torch.arange(0)))


def test_ranks_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    vectors, triples = F.normalize(torch.randn(12, 4)), torch.randint(3, (20, 3)) + torch.tensor([0, 0, 6])
    whole = mean_rank_percentage(triples, 3, vectors, torch.arange(12))
    monkeypatch.setattr(relevance, "CELLS", 1)
    assert_close(mean_rank_percentage(triples, 3, vectors, torch.arange(12)), whole, equal_nan=True)
