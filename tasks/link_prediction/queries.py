"""The queries of a split as a sequence: they lie in arrays, and become items or batches when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
import torch
from jaxtyping import Int

from mkgc.data.answers import Answers, Asked, Pairs
from mkgc.data.graph import Graph, Triples
from mkgc.errors import ConfigError
from mkgc.metrics.ranking import filter_splits
from tasks.link_prediction.batch import LinkItem, TripleBatch, side_of

Examples = Literal["queries", "repeated", "triples"]


class QuerySet(Sequence[LinkItem]):
    """What a split asks.

    ``examples`` says what one is. "queries": each distinct query once, with all its answers in the split. "triples":
    each triple from either side, with its own answer alone. "repeated": each triple from either side, with all
    answers of the query.

    ``known`` has the answers that ranking leaves out; training needs none.
    """

    def __init__(
        self, codec: Any, triples: Triples, answers: Answers, known: Answers | None, examples: Examples = "queries"
    ) -> None:
        self.codec, self.triples, self.answers, self.known, self.examples = codec, triples, answers, known, examples

    def __len__(self) -> int:
        return len(self.answers) if self.examples == "queries" else 2 * len(self.triples)

    @overload
    def __getitem__(self, row: int) -> LinkItem: ...

    @overload
    def __getitem__(self, row: slice) -> list[LinkItem]: ...

    def __getitem__(self, row: int | slice) -> LinkItem | list[LinkItem]:
        chosen = np.arange(len(self))[row]
        if isinstance(row, slice):
            return self._items(chosen)
        return self._items(chosen[None])[0]

    def __getitems__(self, rows: Sequence[int]) -> TripleBatch:
        """Several queries at once, as torch's loaders ask for them."""
        asked, targets, known = self._read(np.asarray(rows))
        shown, relation, tail = torch.from_numpy(asked).unbind(1)
        return TripleBatch(shown, relation, tail.bool(), torch.from_numpy(targets), torch.from_numpy(known))

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """The length of each query's prompt."""
        return self.codec.lengths(self._asked(np.arange(len(self))))

    def _read(self, rows: Int[np.ndarray, " B"]) -> tuple[Asked, Pairs, Pairs]:
        asked = self._asked(rows)
        if self.examples == "triples":
            triple, head = rows % len(self.triples), rows >= len(self.triples)
            own = np.where(head, self.triples[triple, 0], self.triples[triple, 2])
            targets = np.stack([np.arange(len(rows)), own], axis=1)
        else:
            targets = self.answers.find(asked)
        return asked, targets, np.empty((0, 2), np.int64) if self.known is None else self.known.find(asked)

    def _asked(self, rows: Int[np.ndarray, " B"]) -> Asked:
        if self.examples == "queries":
            return self.answers.queries(rows)
        triple, tail = rows % len(self.triples), rows < len(self.triples)
        head, relation, end = self.triples[triple].T
        return np.stack([np.where(tail, head, end), relation, tail.astype(np.int64)], axis=1)

    def _items(self, rows: Int[np.ndarray, " B"]) -> list[LinkItem]:
        asked, targets, known = self._read(rows)
        return [
            self.codec.query(shown, relation, side_of(tail), _of(targets, place), _of(known, place))
            for place, (shown, relation, tail) in enumerate(asked.tolist())
        ]


def _of(pairs: Pairs, row: int) -> tuple[int, ...]:
    return tuple(pairs[pairs[:, 0] == row, 1].tolist())


def query_sets(graph: Graph, codec: Any, protocol: str, examples: str) -> dict[str, QuerySet]:
    """The queries of each split; those of dev and test are distinct whatever the ``examples`` of training are.

    ``protocol`` says which splits' answers ranking leaves out (:func:`mkgc.metrics.ranking.filter_splits`).

    Raises:
        ConfigError: There is no such protocol or kind of examples.
    """
    if examples not in ("queries", "repeated", "triples"):
        raise ConfigError(f"task.data.examples={examples}: choose queries, repeated or triples")
    size = len(graph.entities), len(graph.relations)
    sets = {}
    for split, triples in graph.triples.items():
        answers = Answers.of([triples], size)
        filtered = [graph.triples[name] for name in filter_splits(protocol, split)]
        if split == "train":
            sets[split] = QuerySet(codec, triples, answers, None, examples)  # type: ignore[arg-type]  # checked above
        else:
            sets[split] = QuerySet(codec, triples, answers, Answers.of(filtered, size, answers))
    return sets
