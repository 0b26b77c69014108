"""Which entities complete which queries: an index over triples in arrays, so that millions of them fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from mkgc.data.graph import Triples
from mkgc.errors import DataError

QueryRows = Int[np.ndarray, "B 3"]
"""Rows (known entity, relation, 1 where the tail is asked for and 0 where the head is)."""

Pairs = Int[np.ndarray, "_ 2"]
"""Rows (number of the query, entity)."""


@dataclass(frozen=True)
class Answers:
    """The distinct queries of a graph in order, each with its distinct answers in order.

    ``keys`` number the queries; the answers of the i-th are ``entities[starts[i] : starts[i + 1]]``.
    """

    relations: int
    keys: Int[np.ndarray, " Q"]
    starts: Int[np.ndarray, " Q1"]
    entities: Int[np.ndarray, " n"]

    @classmethod
    def of(
        cls, triples: Sequence[Int[np.ndarray, "_ 3"]], size: tuple[int, int], only: Answers | None = None
    ) -> Answers:
        """An index over triples of a graph with ``size`` entities and relations, or of some of its queries.

        Args:
            triples: Parts of the graph, such as its splits.
            size: How many entities and relations there are.
            only: Whose queries are indexed; None: all.

        Raises:
            DataError: There are too many entities and relations to number all possible answers.
        """
        entities, relations = size
        if 2 * entities * relations * entities >= 1 << 63:
            raise DataError(f"{entities} entities and {relations} relations are too many to number all triples")
        numbers = np.concatenate([_numbers(part, size, side, only) for part in triples for side in (1, 0)])
        numbers.sort()
        queries, found = np.divmod(numbers[_firsts(numbers)], entities)
        starts = _firsts(queries)
        return cls(relations, queries[starts], np.append(starts, len(found)), found)

    def __len__(self) -> int:
        return len(self.keys)

    def queries(self, rows: Int[np.ndarray, " B"]) -> QueryRows:
        """Some of the queries, by their place in the order."""
        asked, tail = np.divmod(self.keys[rows], 2)
        anchor, relation = np.divmod(asked, self.relations)
        return np.stack([anchor, relation, tail], axis=1)

    def find(self, asked: QueryRows) -> Pairs:
        """All answers to each of the queries; those that nothing here completes have none."""
        keys = _keys(asked, self.relations)
        start, stop = (self.starts[np.searchsorted(self.keys, keys, side)] for side in ("left", "right"))
        sizes = stop - start
        rows = np.repeat(np.arange(len(keys)), sizes)
        within = np.arange(len(rows)) - np.repeat(sizes.cumsum() - sizes, sizes)
        return np.stack([rows, self.entities[start[rows] + within]], axis=1)


def _keys(asked: QueryRows, relations: int) -> Int[np.ndarray, " B"]:
    anchor, relation, tail = asked.T
    return (anchor * relations + relation) * 2 + tail


def _numbers(triples: Triples, size: tuple[int, int], tail: int, only: Answers | None) -> Int[np.ndarray, " m"]:
    """A number for each query for one side with an answer, in the order of queries, then answers."""
    anchor, found = (triples[:, 0], triples[:, 2]) if tail else (triples[:, 2], triples[:, 0])
    keys = (anchor * size[1] + triples[:, 1]) * 2 + tail
    if only is not None:
        asked = np.append(only.keys, -1)[np.searchsorted(only.keys, keys)] == keys
        keys, found = keys[asked], found[asked]
    return keys * size[0] + found


def _firsts(ordered: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """Where each value first stands in an array in order, which np.unique would sort or hash once more."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.arange(0)
