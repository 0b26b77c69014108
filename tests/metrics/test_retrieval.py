"""Recall of both directions against loops over pairs: ties, several captions of an image, several images of one."""

import pytest
import torch
from torch import Tensor

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.retrieval import CHUNK, RetrievalRecall, gallery, recall_ranks

PAIRS = [(0, 0), (1, 0), (2, 1), (3, 1), (3, 2), (4, 3), (5, 3), (0, 4), (2, 1)]
"""Texts 0 and 3 have two images, images 0, 1 and 3 two texts, and one pair comes twice."""


def vectors(count: int, seed: int) -> Tensor:
    """Vectors of few different directions, so that products are often equal."""
    return torch.randint(-1, 2, (count, 2), generator=torch.Generator().manual_seed(seed)).float()


def looped_rank(scores: list[float], right: set[int]) -> float:
    """The mean place of the best right candidate, over all orders of those that are equal to it, right ones aside."""
    best = max(scores[i] for i in right)
    wrong = [score for i, score in enumerate(scores) if i not in right]
    better, tied = sum(score > best for score in wrong), sum(score == best for score in wrong)
    return sum(1 + better + before for before in range(tied + 1)) / (tied + 1)


def looped(texts: Tensor, images: Tensor) -> dict[str, list[float]]:
    scores = [[float(text @ image) for image in images] for text in texts]
    columns = [list(column) for column in zip(*scores, strict=True)]
    return {
        "t2i": [looped_rank(row, {i for t, i in PAIRS if t == n}) for n, row in enumerate(scores)],
        "i2t": [looped_rank(row, {t for t, i in PAIRS if i == n}) for n, row in enumerate(columns)],
    }


def filled(texts: Tensor, images: Tensor, *sizes: int) -> RetrievalRecall:
    metric, rows = RetrievalRecall(), torch.tensor(PAIRS)
    for part in rows.split(list(sizes) or [len(rows)]):
        metric.update(texts[part[:, 0]], images[part[:, 1]], part[:, 0] + 7, 100 - part[:, 1])
    return metric


@pytest.mark.parametrize("seed", range(20))
def test_recalls_are_those_of_a_loop_also_with_ties(seed: int) -> None:
    texts, images = vectors(6, seed), vectors(5, seed + 100)
    found, expected = filled(texts, images).compute(), looped(texts, images)
    for direction, ranks in expected.items():
        for k in (1, 5, 10):
            assert found[f"{direction}_R@{k}"] == pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))
        assert found[f"{direction}/count"] == len(ranks)
    names = [f"{direction}_R@{k}" for direction in expected for k in (1, 5, 10)]
    assert found["mean_recall"] == pytest.approx(sum(found[name] for name in names) / 6)


def test_batches_and_chunks_change_nothing() -> None:
    texts, images = vectors(6, 0), vectors(5, 1)
    assert filled(texts, images, 4, 5).compute() == filled(texts, images).compute()
    queries, candidates = torch.randn(CHUNK + 3, 4), torch.randn(7, 4)
    right = torch.stack([torch.arange(len(queries)), torch.arange(len(queries)) % 7], 1)
    ranks = recall_ranks(queries, candidates, right)
    for row in (0, CHUNK - 1, CHUNK, CHUNK + 2):
        scores = queries[row] @ candidates.T
        assert ranks[row] == 1 + (scores > scores[row % 7]).sum()


def test_a_right_candidate_is_no_competitor_of_another() -> None:
    candidates = torch.eye(3)
    ranks = recall_ranks(torch.tensor([[3.0, 2.0, 1.0]]), candidates, torch.tensor([[0, 1], [0, 2]]))
    assert ranks.tolist() == [2.0]


def test_equal_vectors_are_ranked_by_chance_and_never_first() -> None:
    ones = torch.ones(5, 2)
    found = recall_ranks(ones, ones, torch.arange(5)[:, None].expand(-1, 2))
    assert found.tolist() == [3.0] * 5


def test_pairs_become_a_gallery_of_what_differs() -> None:
    rows = torch.tensor(PAIRS)
    found = gallery(rows[:, :1].float(), rows[:, 1:].float(), rows[:, 0], rows[:, 1])
    assert found.texts.flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert found.images.flatten().tolist() == [0, 1, 2, 3, 4]
    assert {*map(tuple, found.right.tolist())} == {*PAIRS}
    assert len(found.right) == len({*PAIRS})


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_and_not_a_number_are_errors() -> None:
    with pytest.raises(EmptyMetricError, match="no pair"):
        RetrievalRecall().compute()
    with pytest.raises(MetricError, match="diverged"):
        filled(torch.full((6, 2), torch.nan), vectors(5, 1)).compute()
