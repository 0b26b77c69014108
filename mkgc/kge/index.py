"""The best entities of a query without scoring all of them one by one: FAISS indexes over the entities' vectors."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.errors import ConfigError
from mkgc.kge.comparisons import Kind
from mkgc.kge.model import KGEModel
from mkgc.metrics import MetricError
from mkgc.searching.vectors import Rows, flat, lists, load_faiss


class EntityIndex:
    """Finds the entities whose vectors fit queries best; everything lies in the memory of the host.

    Exact by default. ``approximate`` sorts the vectors into some 4 √N lists around centres first, and looks into a
    sixteenth of them, or 64: it misses the more, the less the vectors are grouped. Entities that are ``excluded`` are
    never found.

    Raises:
        ConfigError: FAISS is not installed.
        MetricError: A number is NaN or infinite.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "N W"],
        kind: Kind = "product",
        approximate: bool = False,
        excluded: Int[Tensor, " X"] | None = None,
    ) -> None:
        kept = np.ones(len(vectors), bool)
        if excluded is not None:
            kept[excluded.cpu().numpy()] = False
        self.kind, self._numbers, rows = kind, np.flatnonzero(kept), _rows(vectors)
        rows = rows if kept.all() else rows[kept]
        faiss = load_faiss("index=faiss")
        self._index = (lists if approximate else flat)(faiss, rows, _metric(faiss, kind))
        self._index.add(rows)

    def search(
        self, queries: Float[Tensor, "B W"], k: int, without: Int[Tensor, "L 2"] | None = None
    ) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
        """The scores and numbers of the ``k`` best entities of each query, the best first; all where there are fewer.

        The scores are the model's: inner products, or negative distances. ``without`` are rows (query, entity), each
        once, that are no answers. Where nothing is left or found, the entity is -1 and its score -inf.

        Raises:
            MetricError: A number is NaN or infinite.
        """
        pairs = np.empty((0, 2), np.int64) if without is None else without.cpu().numpy()
        most = k + int(np.bincount(pairs[:, 0], minlength=1).max())
        scores, places = self._index.search(_rows(queries), min(most, len(self._numbers)))
        scores = scores if self.kind == "product" else -np.sqrt(scores.clip(min=0))
        entities = np.where(places < 0, -1, self._numbers[places])
        scores[(entities < 0) | _among(entities, pairs)] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, entities = (np.take_along_axis(table, best, axis=1) for table in (scores, entities))
        return torch.from_numpy(scores), torch.from_numpy(np.where(np.isneginf(scores), -1, entities))


def index_of(kge: KGEModel, approximate: bool = False, excluded: Int[Tensor, " X"] | None = None) -> EntityIndex:
    """An index of a structure model, to be asked with what its ``compose`` makes.

    Raises:
        ConfigError: FAISS is not installed, or the model's score is none that it knows.
        MetricError: The model has diverged.
    """
    if kge.comparison.index is None:
        raise ConfigError(
            f"index=faiss knows inner products and Euclidean distances, and {type(kge).__name__} sums lengths: take "
            "a model with products (distmult, complex, rescal, …) or one with backbone.norm=2, or leave out index"
        )
    with torch.no_grad():
        return EntityIndex(kge.entity_representations(slice(None)), kge.comparison.index, approximate, excluded)


def _metric(faiss: ModuleType, kind: Kind) -> int:
    return faiss.METRIC_INNER_PRODUCT if kind == "product" else faiss.METRIC_L2


def _rows(vectors: Float[Tensor, "n W"]) -> Rows:
    """As FAISS takes them, without a copy where they are so already."""
    rows = np.ascontiguousarray(vectors.detach().float().cpu().numpy())
    if not np.isfinite(rows.sum(dtype=np.float64)):
        raise MetricError("vectors that are NaN or infinite cannot be searched: the model has diverged")
    return rows


def _among(entities: Int[np.ndarray, "B K"], pairs: Int[np.ndarray, "L 2"]) -> Bool[np.ndarray, "B K"]:
    """Which places (query, entity) hold a pair."""
    size = 1 + max(entities.max(initial=0), pairs[:, 1].max(initial=0))
    numbers = np.arange(len(entities))[:, None] * size + entities
    return np.isin(numbers, pairs[:, 0] * size + pairs[:, 1]) & (entities >= 0)
