"""Ranks of what belongs to a query among all candidates of another kind, and recall at several ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.nn.full_products import full_products

RECALLS = (1, 5, 10)
"""Ranks up to which a query counts as answered."""

CHUNK = 1024
"""Queries that are compared with all candidates at once."""


class Gallery(NamedTuple):
    """All different texts and images of some pairs, by their numbers in order, and which of them belong together.

    ``right`` are the pairs, each once, by their places among both.
    """

    texts: Float[Tensor, "T D"]
    images: Float[Tensor, "I D"]
    text_ids: Int[Tensor, " T"]
    image_ids: Int[Tensor, " I"]
    right: Int[Tensor, "P 2"]


def gallery(
    texts: Float[Tensor, "n D"], images: Float[Tensor, "n D"], text_ids: Int[Tensor, " n"], image_ids: Int[Tensor, " n"]
) -> Gallery:
    """The gallery of pairs, row by row a text and an image; those of one number are one."""
    text_ids, text_first, text_place = _distinct(text_ids)
    image_ids, image_first, image_place = _distinct(image_ids)
    right = torch.unique(torch.stack([text_place, image_place], dim=1), dim=0)
    return Gallery(texts[text_first], images[image_first], text_ids, image_ids, right)


def _distinct(ids: Int[Tensor, " n"]) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Int[Tensor, " n"]]:
    """The different numbers in order, the first row of each, and the place of each row's among them."""
    found, place = torch.unique(ids, return_inverse=True)
    rows = torch.arange(len(ids), device=ids.device)
    first = torch.full_like(found, len(ids)).scatter_reduce(0, place, rows, "amin")
    return found, first, place


def recall_ranks(
    queries: Float[Tensor, "Q D"], candidates: Float[Tensor, "N D"], right: Int[Tensor, "P 2"]
) -> Float64[Tensor, " Q"]:
    """The rank from 1 of the best candidate that is right for each query, by their products.

    ``right`` are pairs of a query and a candidate; each query has one. Others that are right as well are no
    competitors. Ties are broken by chance: the rank is the one that is expected then
    (:class:`mkgc.metrics.ranking.Ranks`).

    Raises:
        MetricError: A product is NaN, which has no rank.
    """
    parts = [_ranks(*chunk) for chunk in _chunks(queries, candidates, right)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.double)


Chunk = tuple[Float[Tensor, "q N"], Bool[Tensor, "q N"]]
"""The products of some queries with all candidates, and which are right."""


def _chunks(
    queries: Float[Tensor, "Q D"], candidates: Float[Tensor, "N D"], right: Int[Tensor, "P 2"]
) -> Iterator[Chunk]:
    for start in range(0, len(queries), CHUNK):
        scores = full_products(queries[start : start + CHUNK], candidates)
        own = right[(right[:, 0] >= start) & (right[:, 0] < start + CHUNK)]
        mask = torch.zeros_like(scores, dtype=torch.bool)
        mask[own[:, 0] - start, own[:, 1]] = True
        yield scores, mask


def _ranks(scores: Float[Tensor, "q N"], right: Bool[Tensor, "q N"]) -> Float64[Tensor, " q"]:
    if scores.isnan().any():
        raise MetricError("the products of texts and images are NaN: the model has diverged; lower optim.lr")
    best = scores.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    better, tied = ((found & ~right).sum(1) for found in (scores > best, scores == best))
    return 1 + better.double() + tied.double() / 2


class RetrievalRecall(Metric):
    """Recall of texts' images and of images' texts at several ranks, and their mean.

    Every caption of an image is right for it, and every image of a caption for that: a query is answered at rank k if
    one of its own stands there. Captions with the same words are one caption. ``mean_recall`` is the mean of the
    recalls of both directions, called ``t2i_R@1`` (of texts' images) and so on, ``t2i/mean_recall`` that of one.

    Source: recall at k as of Karpathy and Fei-Fei (2015); the mean as of Chinese-CLIP (Yang et al., 2022).
    """

    full_state_update = False
    texts: list[Tensor]
    images: list[Tensor]
    text_ids: list[Tensor]
    image_ids: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("texts", "images", "text_ids", "image_ids"):
            self.add_state(name, [], "cat")

    def update(
        self,
        texts: Float[Tensor, "B D"],
        images: Float[Tensor, "B D"],
        text_ids: Int[Tensor, " B"],
        image_ids: Int[Tensor, " B"],
    ) -> None:
        """Adds pairs by their vectors and numbers; those of one text or image may come in any batches."""
        given = (texts, images, text_ids, image_ids)
        for state, value in zip((self.texts, self.images, self.text_ids, self.image_ids), given, strict=True):
            state.append(value.detach())

    def compute(self) -> dict[str, float]:
        """The measures by name; ``count`` says how many queries of a direction there are.

        Raises:
            EmptyMetricError: There was no pair.
            MetricError: A product is NaN.
        """
        if len(self.text_ids) == 0:  # a list, or what several processes have as one tensor
            raise EmptyMetricError("nothing was ranked: the split has no pair of a caption and an image")
        found = gallery(*map(dim_zero_cat, (self.texts, self.images, self.text_ids, self.image_ids)))
        ranks = {
            "t2i": recall_ranks(found.texts, found.images, found.right),
            "i2t": recall_ranks(found.images, found.texts, found.right.flip(1)),
        }
        return recalls(ranks)


def recalls(ranks: dict[str, Float[Tensor, " _"]]) -> dict[str, float]:
    """The measures of ranks in both directions.

    >>> found = recalls({"t2i": torch.tensor([1.0, 7.0]), "i2t": torch.tensor([2.0])})
    >>> found["t2i_R@1"], found["i2t_R@5"], found["t2i/mean_recall"]
    (0.5, 1.0, 0.6666666666666666)
    """
    out: dict[str, float] = {}
    for direction, rank in ranks.items():
        found = {f"{direction}_R@{k}": float((rank <= k).double().mean()) for k in RECALLS}
        out |= found | {f"{direction}/mean_recall": sum(found.values()) / len(found), f"{direction}/count": len(rank)}
    means = [out[f"{direction}/mean_recall"] for direction in ranks]
    return {"mean_recall": sum(means) / len(means)} | out
