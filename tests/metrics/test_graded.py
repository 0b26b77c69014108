"""Graded measures against loops: over all orders of what is tied, with judgements missing, and against scikit-learn."""

from collections.abc import Callable, Sequence
from itertools import permutations
from math import log2

import pytest
import torch
from sklearn.metrics import ndcg_score

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.graded import (
    RELEVANT,
    discounted_gain,
    hit_rate,
    ideal_gain,
    normalised_gain,
    reciprocal_rank,
)
from mkgc.metrics.graded_retrieval import GradedRetrieval, graded_figures


def orders(scores: Sequence[float]) -> list[tuple[int, ...]]:
    """All orders of candidates in which none stands before a better one."""
    every = permutations(range(len(scores)))
    return [order for order in every if [scores[i] for i in order] == sorted(scores, reverse=True)]


def expected(scores: Sequence[float], gains: Sequence[float], figure: Callable[[list[float]], float]) -> float:
    """The mean of a figure of the ranked gains, over all orders of what is tied."""
    found = [figure([gains[i] for i in order]) for order in orders(scores)]
    return sum(found) / len(found)


def hit(gains: list[float], k: int) -> float:
    return float(any(gain > RELEVANT for gain in gains[:k]))


def reciprocal(gains: list[float]) -> float:
    return next((1 / rank for rank, gain in enumerate(gains, 1) if gain > RELEVANT), 0.0)


def dcg(gains: list[float], k: int) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains[:k], 1))


@pytest.mark.parametrize("seed", range(8))
def test_figures_are_means_over_all_orders_of_tied_candidates(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 3, (4, 6), generator=draw).float()
    gains = torch.randint(0, 5, (4, 6), generator=draw) / 4
    rows = [*zip(scores.tolist(), gains.tolist(), strict=True)]
    found = reciprocal_rank(scores, gains > RELEVANT).tolist()
    assert found == pytest.approx([expected(*row, reciprocal) for row in rows])
    for k in (1, 3, 6, 9):
        hits, gained = hit_rate(scores, gains > RELEVANT, k).tolist(), discounted_gain(scores, gains, k).tolist()
        assert hits == pytest.approx([expected(*row, lambda one, k=k: hit(one, k)) for row in rows])
        assert gained == pytest.approx([expected(*row, lambda one, k=k: dcg(one, k)) for row in rows])


@pytest.mark.parametrize("k", [1, 5, 20])
def test_normalised_gain_is_scikit_learns_also_with_ties(k: int) -> None:
    draw = torch.Generator().manual_seed(k)
    scores = torch.randint(0, 4, (10, 12), generator=draw).float()
    gains = torch.randint(0, 5, (10, 12), generator=draw) / 4
    mine = normalised_gain(discounted_gain(scores, gains, k), ideal_gain(gains, k))
    assert float(mine.mean()) == pytest.approx(ndcg_score(gains.numpy(), scores.numpy(), k=k))


def test_a_query_without_anything_relevant_has_found_nothing() -> None:
    scores, gains = torch.rand(2, 5), torch.zeros(2, 5)
    gains[1] = 0.5  # as much as is not yet relevant
    relevant = gains > RELEVANT
    assert hit_rate(scores, relevant, 5).tolist() == reciprocal_rank(scores, relevant).tolist() == [0, 0]
    found = normalised_gain(discounted_gain(scores, gains, 5), ideal_gain(gains, 5))
    assert found.tolist() == pytest.approx([0, 1])


def looped(scores: list[list[float]], gains: list[list[float]]) -> dict[str, float]:
    """The figures of one direction, query by query."""
    rows = [row for row in zip(scores, gains, strict=True) if max(row[1]) > 0]
    figures: dict[str, list[float]] = {}
    for row in rows:
        for k in (1, 5, 10):
            figures.setdefault(f"HR@{k}", []).append(expected(*row, lambda one, k=k: hit(one, k)))
        for k in (5, 10):
            best = dcg(sorted(row[1], reverse=True), k)
            figures.setdefault(f"NDCG@{k}", []).append(expected(*row, lambda one, k=k: dcg(one, k)) / best)
        figures.setdefault("MRR", []).append(expected(*row, reciprocal))
    return {name: sum(each) / len(each) for name, each in figures.items()} | {"count": len(rows)}


@pytest.mark.parametrize("seed", range(4))
def test_both_directions_are_those_of_a_loop_over_sparse_judgements(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    texts, images = (torch.randint(-1, 2, (n, 2), generator=draw).float() for n in (6, 5))
    gains = torch.randint(0, 5, (6, 5), generator=draw) / 4 * (torch.rand(6, 5, generator=draw) < 0.4)
    gains[2], gains[:, 3] = 0, 0  # a text and an image of which nobody has found anything good
    pairs = gains.nonzero()
    metric = GradedRetrieval()
    for rows in (slice(0, 4), slice(4, 6), slice(0, 1)):  # the first again, as a sampler may fill a batch up
        own = (pairs[:, 0] >= (rows.start or 0)) & (pairs[:, 0] < rows.stop)
        ids = torch.arange(6)[rows] + 7
        judged = pairs[own] + torch.tensor([7, 0])
        metric.update(texts[rows], images, ids, judged, gains[pairs[own, 0], pairs[own, 1]])
    found, scores = metric.compute(), texts @ images.T
    for direction, (score, gain) in {
        "text_to_image": (scores, gains),
        "image_to_text": (scores.T, gains.T),
    }.items():
        for name, value in looped(score.tolist(), gain.tolist()).items():
            assert found[f"{direction}/{name}"] == pytest.approx(value)
    assert found["MRR"] == pytest.approx((found["text_to_image/MRR"] + found["image_to_text/MRR"]) / 2)


def test_nothing_judged_and_vectors_that_are_no_numbers_have_no_figures() -> None:
    with pytest.warns(UserWarning, match="before the ``update``"), pytest.raises(EmptyMetricError):
        GradedRetrieval().compute()
    vectors, pairs = torch.rand(2, 3), torch.tensor([[0, 1]])
    with pytest.raises(EmptyMetricError, match="no pair of a text and an image was judged above 0"):
        graded_figures(vectors, vectors, pairs, torch.zeros(1))
    with pytest.raises(MetricError, match="NaN"):
        graded_figures(vectors * torch.nan, vectors, pairs, torch.ones(1))
