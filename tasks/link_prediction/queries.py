"""The queries of a split as a sequence: they lie in arrays, and become features or batches when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, overload

import numpy as np
from jaxtyping import Int

from mkgc.data.answers import Answers, Pairs, QueryRows
from mkgc.data.graph import Graph, Triples
from mkgc.errors import ConfigError
from mkgc.metrics.ranking import filter_splits
from tasks.link_prediction.batch import QueryArrays, QueryFeatures, target_of

PART = 1 << 20

Examples = Literal["queries", "repeated", "triples"]


class QuerySet(Sequence[QueryFeatures]):
    """The queries of a split.

    ``examples`` says what one is. "queries": each distinct query once, with all its answers in the split. "triples":
    each triple from either side, with its own answer alone. "repeated": each triple from either side, with all
    answers of the query.

    ``size`` are the numbers of entities and relations. ``known`` are triples whose answers ranking leaves out; training
    needs none.

    Raises:
        DataError: There are too many entities and relations to number all possible answers.
    """

    def __init__(
        self,
        processor: Any,
        triples: Triples,
        size: tuple[int, int],
        known: Sequence[Int[np.ndarray, "_ 3"]] = (),
        examples: Examples = "queries",
    ) -> None:
        self.processor, self.triples, self.size, self.examples = processor, triples, size, examples
        self.known = Answers.of(known, size, self.answers) if known else None

    @cached_property
    def answers(self) -> Answers:
        """All answers of the split; examples that are triples have their own and need no index of the others."""
        return Answers.of([self.triples], self.size)

    def __len__(self) -> int:
        return len(self.answers) if self.examples == "queries" else 2 * len(self.triples)

    @overload
    def __getitem__(self, row: int) -> QueryFeatures: ...

    @overload
    def __getitem__(self, row: slice) -> list[QueryFeatures]: ...

    def __getitem__(self, row: int | slice) -> QueryFeatures | list[QueryFeatures]:
        chosen = range(len(self))[row]
        if isinstance(chosen, int):
            return self._features(np.array([chosen]))[0]
        return self._features(np.arange(chosen.start, chosen.stop, chosen.step))

    def __getitems__(self, rows: Sequence[int]) -> QueryArrays:
        """Several queries at once, as torch's loaders ask for them."""
        return QueryArrays(*self._read(np.asarray(rows)))

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """The length of each query's prompt."""
        return self._of_each(self.processor.lengths)

    @property
    def whole_lengths(self) -> Int[np.ndarray, " n"]:
        """The length of each prompt, or of each triple where such are read, if nothing were cut."""
        if self.reads == "triples":
            return self.processor.read_lengths(self.triples)
        return self._of_each(self.processor.whole_lengths)

    @property
    def reads(self) -> str:
        """The unit of a text: "prompts" or "triples"."""
        return self.processor.reads

    def _of_each(self, number: Callable[[QueryRows], Int[np.ndarray, " B"]]) -> Int[np.ndarray, " n"]:
        """A number of each query, found for a part of the queries at a time."""
        parts = (np.arange(start, min(start + PART, len(self))) for start in range(0, len(self), PART))
        return np.concatenate([number(self._asked(rows)) for rows in parts])

    def _read(self, rows: Int[np.ndarray, " B"]) -> tuple[QueryRows, Pairs, Pairs]:
        asked = self._asked(rows)
        if self.examples == "triples":
            triple, head = rows % len(self.triples), rows >= len(self.triples)
            own = np.where(head, self.triples[triple, 0], self.triples[triple, 2])
            targets = np.stack([np.arange(len(rows)), own], axis=1)
        else:
            targets = self.answers.find(asked)
        return asked, targets, np.empty((0, 2), np.int64) if self.known is None else self.known.find(asked)

    def _asked(self, rows: Int[np.ndarray, " B"]) -> QueryRows:
        if self.examples == "queries":
            return self.answers.queries(rows)
        triple, tail = rows % len(self.triples), rows < len(self.triples)
        head, relation, end = self.triples[triple].T
        return np.stack([np.where(tail, head, end), relation, tail.astype(np.int64)], axis=1)

    def _features(self, rows: Int[np.ndarray, " B"]) -> list[QueryFeatures]:
        asked, targets, known = self._read(rows)
        return [
            self.processor.query(anchor, relation, target_of(tail), *answers)
            for (anchor, relation, tail), *answers in zip(
                asked.tolist(), _by_query(targets, len(rows)), _by_query(known, len(rows)), strict=True
            )
        ]


def _by_query(pairs: Pairs, count: int) -> list[tuple[int, ...]]:
    """The entities of each query, of pairs in the order of queries."""
    ends = np.searchsorted(pairs[:, 0], np.arange(count + 1))
    return [tuple(pairs[start:stop, 1].tolist()) for start, stop in pairwise(ends.tolist())]


def query_sets(graph: Graph, processor: Any, protocol: str, examples: str) -> dict[str, QuerySet]:
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
        if split == "train":
            sets[split] = QuerySet(processor, triples, size, examples=examples)  # type: ignore[arg-type]  # checked above
        else:
            known = [graph.triples[name] for name in filter_splits(protocol, split)]
            sets[split] = QuerySet(processor, triples, size, known)
    return sets
