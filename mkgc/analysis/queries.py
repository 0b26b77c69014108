"""Every ranked query of a split, in a file: what reports and comparisons are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, Shaped
from torch import Tensor

from mkgc.app.files import atomic_write
from mkgc.errors import DataError
from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.ranking import TARGETS, Ranks, columns_of, ranking_metrics

PICTURES = ("none", "own", "both")
"""Who has an image: not the known entity, which is the one shown; only it; the answer, too."""

ASKED = ("head", "relation", "tail", "side")
"""The columns that tell one query from another."""

RECORD = np.dtype(
    [(name, "<i4") for name in ASKED[:3]] + [("side", "u1"), ("images", "u1"), ("rank", "<f8"), ("candidates", "<i4")]
)
"""A ranked query: indices, the side asked for as a position in TARGETS, PICTURES likewise, and the realistic rank."""

Records = Shaped[np.ndarray, " n"]
"""Rows of :data:`RECORD`."""


def record(
    found: Ranks, triples: Int[Tensor, "B 3"], tail: Bool[Tensor, " B"], imaged: Bool[np.ndarray, " E"]
) -> Records:
    """Rows for :class:`Queries`, of triples of which the tail or the head was asked for.

    ``imaged`` says of each entity whether it has an image.
    """
    out = np.empty(len(triples), RECORD)
    out["head"], out["relation"], out["tail"] = triples.cpu().numpy().T
    out["side"] = tail.cpu()
    anchor, answer = (np.where(out["side"], *(out[end] for end in ends)) for ends in (TARGETS, TARGETS[::-1]))
    out["images"] = np.where(imaged[anchor], 1 + imaged[answer], 0)
    out["rank"], out["candidates"] = found.realistic.cpu(), found.candidates.cpu()
    return out


def triples(table: Records) -> Int[np.ndarray, "n 3"]:
    """The triple behind each row."""
    return np.stack([table[name] for name in ASKED[:3]], axis=1).astype(np.int64)


@dataclass(frozen=True)
class Queries:
    """Every ranked query of a split, with the ids and the categories of all relations, known or not.

    ``clean`` marks the queries that no triple of train answers turned around (:mod:`mkgc.analysis.breakdown`).
    """

    table: Records
    relations: tuple[str, ...]
    categories: tuple[str, ...]
    clean: Bool[np.ndarray, " n"]

    unit: ClassVar[str] = "queries"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def triples(self) -> Int[np.ndarray, "n 3"]:
        """The triple behind each query."""
        return triples(self.table)

    @property
    def columns(self) -> Float64[np.ndarray, "n C"]:
        """Whose sums over any queries go to :func:`metrics`."""
        rank, candidates = (torch.from_numpy(self.table[name].copy()) for name in ("rank", "candidates"))
        return columns_of(rank, candidates).numpy()

    @property
    def leaks(self) -> bool:
        """Whether some of the queries are clean, but not all."""
        return bool(self.clean.any()) and not self.clean.all()

    def metrics(self, mask: Bool[np.ndarray, " n"] | None = None) -> dict[str, float]:
        """The figures of :class:`RankingMetrics`, of all queries or of some, not by side.

        Raises:
            EmptyMetricError: There are none.
        """
        columns = self.columns if mask is None else self.columns[mask]
        if not len(columns):
            raise EmptyMetricError("there is no such query")
        return ranking_metrics(columns.sum(0).tolist())

    def ordered(self) -> Queries:
        """The same queries triple by triple, whatever the order they were ranked in."""
        return self.chosen(np.lexsort([self.table[name] for name in reversed(ASKED)]))

    def chosen(self, rows: Shaped[np.ndarray, " m"]) -> Queries:
        """Some of the queries, by a mask or by their positions."""
        return replace(self, table=self.table[rows], clean=self.clean[rows])

    def require_same(self, other: Queries) -> None:
        """Checks that both are of the same queries in the same order.

        Raises:
            MetricError: They are not.
        """
        if self.relations != other.relations:
            raise MetricError("the runs are of different graphs: their relations are not the same")
        numbers = [len(self.table), len(other.table)]
        if numbers[0] != numbers[1]:
            raise MetricError(f"the runs ranked different queries: {numbers[0]:,} and {numbers[1]:,} of them")
        differ = np.logical_or.reduce([self.table[name] != other.table[name] for name in ASKED])
        if differ.any():
            raise MetricError(f"the runs ranked different queries: {differ.sum():,} of {numbers[0]:,} are not the same")

    def save(self, path: Path) -> None:
        """Writes a compressed .npz; what was at ``path`` stays until the new file is whole."""
        relations, categories = (np.array(texts, np.str_) for texts in (self.relations, self.categories))
        with atomic_write(path) as beside, beside.open("wb") as file:
            np.savez_compressed(file, table=self.table, relations=relations, categories=categories, clean=self.clean)

    @classmethod
    def load(cls, path: Path) -> Queries:
        """Reads the queries saved at ``path``.

        Raises:
            DataError: There is no such file, or it holds something else.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                table, relations, categories, clean = (
                    arrays[name] for name in ("table", "relations", "categories", "clean")
                )
        except FileNotFoundError as error:
            raise DataError("is not there: no ranked queries were recorded", path) from error
        except KeyError as error:
            raise DataError("holds ranked queries of another form: record them anew", path) from error
        except Exception as error:  # damaged bytes make the readers of archives and arrays raise nearly anything
            raise DataError("holds no ranked queries: record them anew", path) from error
        if not _is_record(table, relations, categories, clean):
            raise DataError("holds ranked queries of another form: record them anew", path)
        return cls(table, tuple(relations.tolist()), tuple(categories.tolist()), clean)


def _is_record(table: np.ndarray, relations: np.ndarray, categories: np.ndarray, clean: np.ndarray) -> bool:
    """Whether arrays are what :meth:`Queries.save` writes."""
    if table.dtype != RECORD or clean.dtype != bool or {relations.dtype.kind, categories.dtype.kind} != {"U"}:
        return False
    if any(array.ndim != 1 for array in (table, relations, categories, clean)):
        return False
    lengths = len(relations) == len(categories), len(table) == len(clean)
    numbered = (table["relation"] >= 0) & (table["relation"] < len(relations)) & (table["side"] < len(TARGETS))
    ranked = (table["rank"] >= 1) & (table["rank"] <= table["candidates"]) & (table["images"] < len(PICTURES))
    return all(lengths) and bool((numbered & ranked).all())
