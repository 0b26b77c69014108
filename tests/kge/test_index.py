"""The best entities by FAISS, against scoring all of them."""

import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mkgc.errors import ConfigError
from mkgc.kge.index import EntityIndex, index_of
from mkgc.kge.model import KGEModel
from mkgc.metrics import MetricError
from tests.kge.models import MODELS, built, queries

pytest.importorskip("faiss")

KNOWN_TO_FAISS = ("transe-l2", "transe-unit", "distmult", "complex", "rotate-l2", "rescal")
EITHER = pytest.mark.parametrize("approximate", [False, True])


def grouped(count: int, groups: int, width: int = 16) -> Tensor:
    """Vectors around some centres, as those of entities of several types are."""
    return torch.randn(groups, width)[torch.arange(count) % groups] + 0.2 * torch.randn(count, width)


def best(scores: Tensor, k: int) -> list[set[int]]:
    return [set(row) for row in scores.topk(k).indices.tolist()]


@pytest.mark.parametrize("target", ["head", "tail"])
@pytest.mark.parametrize("name", KNOWN_TO_FAISS)
def test_scores_and_order_are_those_of_the_model(name: str, target: Any) -> None:
    model = built(name)
    asked = queries(target)
    expected = model.score_all(*asked).topk(5)
    scores, entities = index_of(model).search(model.compose(*asked), 5)
    assert_close(scores, expected.values.detach(), atol=1e-3 if model.comparison.index == "euclidean" else 1e-5, rtol=0)
    assert entities.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("name", sorted({*MODELS} - {*KNOWN_TO_FAISS}))
def test_a_model_that_sums_lengths_is_refused_with_what_can_be_done(name: str) -> None:
    model: KGEModel = built(name)
    reason = (
        f"^index=faiss knows inner products and Euclidean distances, and {type(model).__name__} sums lengths: take "
        r"a model with products \(distmult, complex, rescal, …\) or one with backbone.norm=2, or leave out index$"
    )
    with pytest.raises(ConfigError, match=reason):
        index_of(model)


def test_a_bias_is_one_more_number_of_a_vector_that_meets_a_one() -> None:
    table, bias, hidden = torch.randn(50, 8), 3 * torch.randn(50), torch.randn(4, 8)
    index = EntityIndex(torch.cat([table, bias[:, None]], 1))
    scores, entities = index.search(torch.cat([hidden, torch.ones(4, 1)], 1), 7)
    expected = (hidden @ table.T + bias).topk(7)
    assert_close(scores, expected.values)
    assert entities.tolist() == expected.indices.tolist()


def test_known_answers_make_way_for_the_next_best() -> None:
    vectors, asked = torch.arange(6.0)[:, None], torch.ones(3, 1)
    without = torch.tensor([[0, 5], [0, 3], [2, 0]])
    scores, entities = EntityIndex(vectors).search(asked, 2, without)
    assert entities.tolist() == [[4, 2], [5, 4], [5, 4]]
    assert scores.tolist() == [[4, 2], [5, 4], [5, 4]]


def test_random_known_answers_leave_what_masked_scores_leave() -> None:
    vectors, asked = torch.randn(40, 4), torch.randn(9, 4)
    mask = torch.rand(9, 40) < 0.4
    _, entities = EntityIndex(vectors).search(asked, 6, mask.nonzero())
    assert entities.tolist() == (asked @ vectors.T).masked_fill(mask, -torch.inf).topk(6).indices.tolist()


@EITHER
def test_entities_that_are_left_out_are_never_found_and_the_others_keep_their_numbers(approximate: bool) -> None:
    vectors, excluded = grouped(400, 5), torch.arange(0, 400, 3)
    _, entities = EntityIndex(vectors, approximate=approximate, excluded=excluded).search(vectors[:20], 30)
    found = entities[entities >= 0]
    assert not torch.isin(found, excluded).any()
    if not approximate:
        expected = (vectors[:20] @ vectors.T).index_fill(1, excluded, -torch.inf)
        assert entities.tolist() == expected.topk(30).indices.tolist()


def test_where_fewer_are_left_than_asked_for_the_rest_is_minus_one() -> None:
    scores, entities = EntityIndex(torch.eye(3)).search(torch.ones(1, 3), 9)
    assert (sorted(entities[0].tolist()), scores[0].tolist()) == ([0, 1, 2], [1, 1, 1])
    scores, entities = EntityIndex(torch.eye(3)).search(torch.ones(1, 3), 2, torch.tensor([[0, 0], [0, 2]]))
    assert (entities.tolist(), scores.tolist()) == ([[1, -1]], [[1, -torch.inf]])


@pytest.mark.parametrize("kind", ["product", "euclidean"])
def test_approximately_means_the_right_scores_and_most_of_the_right_entities(kind: Any) -> None:
    vectors = grouped(20_000, 200)
    asked = vectors[::400] + 0.1 * torch.randn(50, 16)
    exact, near = (EntityIndex(vectors, kind, approximate).search(asked, 10) for approximate in (False, True))
    shared = sum(len({*a} & {*b}) for a, b in zip(exact[1].tolist(), near[1].tolist(), strict=True))
    assert shared / 500 > 0.9
    own = vectors[near[1]]
    model = (own * asked[:, None]).sum(-1) if kind == "product" else -(own - asked[:, None]).norm(dim=-1)
    assert_close(near[0], model, atol=1e-3, rtol=1e-4)
    assert (near[0].diff(dim=1) <= 0).all()


def test_few_entities_make_one_list_and_nothing_is_missed() -> None:
    vectors = torch.randn(30, 4)
    near = EntityIndex(vectors, "euclidean", approximate=True).search(vectors, 5)
    assert near[1].tolist() == EntityIndex(vectors, "euclidean").search(vectors, 5)[1].tolist()
    assert near[1][:, 0].tolist() == [*range(30)]


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_vectors_that_are_not_finite_are_refused_and_never_ranked(broken: float) -> None:
    vectors = torch.randn(30, 4)
    spoilt = vectors.clone()
    spoilt[3, 1] = broken
    reason = "^vectors that are NaN or infinite cannot be searched: the model has diverged$"
    with pytest.raises(MetricError, match=reason):
        EntityIndex(spoilt)
    with pytest.raises(MetricError, match=reason):
        EntityIndex(vectors).search(spoilt, 3)


def test_without_faiss_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    reason = r"^index=faiss needs FAISS, which is not installed: pip install mkgc\[faiss\]$"
    with pytest.raises(ConfigError, match=reason):
        index_of(built("distmult"))
