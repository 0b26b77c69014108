"""Graded retrieval among vectors: texts find images and images find texts, whose judgements are known of some pairs."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.graded import RELEVANT, discounted_gain, hit_rate, ideal_gain, normalised_gain, reciprocal_rank
from mkgc.nn.full_products import full_products

HITS, GAINS = (1, 5, 10), (5, 10)
"""Ranks up to which hits and gains are counted."""

FIGURES = (*(f"HR@{k}" for k in HITS), *(f"NDCG@{k}" for k in GAINS), "MRR")
"""Of each direction."""

MAIN = "NDCG@5"
"""The figure whose mean over both directions stands for all."""

CHUNK = 512
"""Queries that are compared with all candidates at once."""


class GradedRetrieval(Metric):
    """HR@k, NDCG@k and MRR of texts' images and of images' texts, of judgements from 0 to 1.

    A candidate that nobody has judged for a query gains nothing and is not relevant. A query asks for something if a
    candidate was judged above 0 for it; ``count`` says how many do, of which the figures are means. The ideal of NDCG
    is the best order of all candidates.
    """

    full_state_update = False
    texts: list[Tensor]
    text_ids: list[Tensor]
    judged: list[Tensor]
    grades: list[Tensor]
    images: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("texts", "text_ids", "judged", "grades"):
            self.add_state(name, [], "cat")
        self.add_state("images", torch.empty(0, 0), _one)

    def update(
        self,
        texts: Float[Tensor, "B D"],
        images: Float[Tensor, "N D"],
        text_ids: Int[Tensor, " B"],
        judged: Int[Tensor, "J 2"],
        grades: Float[Tensor, " J"],
    ) -> None:
        """Adds texts by their vectors and numbers, and judgements of pairs of a text's number and an image's row.

        ``images`` are the vectors of all candidates, the same in each batch.
        """
        for state, value in ((self.texts, texts), (self.text_ids, text_ids), (self.judged, judged)):
            state.append(value.detach())
        self.grades.append(grades.detach())
        self.images = images.detach()

    def compute(self) -> dict[str, float]:
        """The figures by name, under ``text_to_image/`` and ``image_to_text/``; their means ahead.

        Raises:
            EmptyMetricError: No text has an image that was judged above 0.
            MetricError: A product is NaN.
        """
        if not len(self.texts):  # a list; joined over processes, one tensor
            raise EmptyMetricError("nothing was ranked: the split has no texts")
        texts, ids, judged, grades = map(dim_zero_cat, (self.texts, self.text_ids, self.judged, self.grades))
        ids, first = _first_rows(ids)
        return graded_figures(texts[first], self.images, places(judged, ids), grades)


def _one(copies: Float[Tensor, "W N D"]) -> Float[Tensor, "N D"]:
    """The candidates, which all processes have."""
    return copies[0]


def places(judged: Int[Tensor, "J 2"], ids: Int[Tensor, " n"]) -> Int[Tensor, "J 2"]:
    """Pairs of a text's number and an image's row, by the text's place among all numbers in order."""
    return torch.stack([torch.searchsorted(ids, judged[:, 0].contiguous()), judged[:, 1]], dim=1)


def _first_rows(ids: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """The different numbers in order, and the first row of each."""
    found, place = torch.unique(ids, return_inverse=True)
    rows = torch.arange(len(ids), device=ids.device)
    return found, torch.full_like(found, len(ids)).scatter_reduce(0, place, rows, "amin")


def graded_figures(
    texts: Float[Tensor, "T D"], images: Float[Tensor, "N D"], pairs: Int[Tensor, "J 2"], grades: Float[Tensor, " J"]
) -> dict[str, float]:
    """The figures of both directions; ``pairs`` are the places of a text and an image that were judged.

    Raises:
        EmptyMetricError: Nothing was judged above 0.
        MetricError: A product is NaN.
    """
    directions = {"text_to_image": (texts, images, pairs), "image_to_text": (images, texts, pairs.flip(1))}
    out: dict[str, float] = {}
    for direction, (queries, candidates, asked) in directions.items():
        figures, asking = query_figures(queries, candidates, asked, grades)
        if not asking.any():
            raise EmptyMetricError("nothing was ranked: no pair of a text and an image was judged above 0")
        means = figures[asking].mean(0)
        out |= {f"{direction}/{name}": float(value) for name, value in zip(FIGURES, means, strict=True)}
        out[f"{direction}/count"] = int(asking.sum())
    both = {name: sum(out[f"{direction}/{name}"] for direction in directions) / 2 for name in (MAIN, "MRR")}
    return both | out


def query_figures(
    queries: Float[Tensor, "Q D"],
    candidates: Float[Tensor, "N D"],
    pairs: Int[Tensor, "J 2"],
    grades: Float[Tensor, " J"],
) -> tuple[Float64[Tensor, "Q F"], Bool[Tensor, " Q"]]:
    """The figures of each query, by the names of ``FIGURES``, and whether it asks for something; else all are 0.

    Raises:
        MetricError: A product is NaN.
    """
    figures, asking = [], []
    for start in range(0, len(queries), CHUNK):
        scores = full_products(queries[start : start + CHUNK], candidates)
        if scores.isnan().any():
            raise MetricError("the products of texts and images are NaN: the model has diverged; lower optim.lr")
        own = (pairs[:, 0] >= start) & (pairs[:, 0] < start + len(scores))
        gains = torch.zeros_like(scores, dtype=torch.double)
        gains[pairs[own, 0] - start, pairs[own, 1]] = grades[own].double()
        figures.append(_figures(scores, gains))
        asking.append(gains.amax(1) > 0)
    return torch.cat(figures), torch.cat(asking)


def _figures(scores: Float[Tensor, "q N"], gains: Float64[Tensor, "q N"]) -> Float64[Tensor, "q F"]:
    relevant = gains > RELEVANT
    hits = [hit_rate(scores, relevant, k) for k in HITS]
    gained = [normalised_gain(discounted_gain(scores, gains, k), ideal_gain(gains, k)) for k in GAINS]
    return torch.stack([*hits, *gained, reciprocal_rank(scores, relevant)], dim=1)
