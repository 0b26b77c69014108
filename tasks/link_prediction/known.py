"""The known answers of a graph, to be left out of answers or of their measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from jaxtyping import Int

from mkgc.data.answers import Answers
from mkgc.data.graph import Graph
from tasks.link_prediction.batch import INDUCTIVE, PairFeatures, QueryFeatures


class Relations:
    """The relations that hold between two entities, by a search among sorted pairs."""

    def __init__(self, triples: Sequence[Int[np.ndarray, "_ 3"]], entities: int) -> None:
        rows = np.concatenate(triples)
        keys = rows[:, 0] * entities + rows[:, 2]
        order = np.argsort(keys, kind="stable")
        self._keys, self._relations, self._entities = keys[order], rows[order, 1], entities

    def between(self, head: int, tail: int) -> tuple[int, ...]:
        """Each relation once, in order."""
        key = head * self._entities + tail
        start, stop = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        return tuple(np.unique(self._relations[start:stop]).tolist())


class Known:
    """The answers to questions that some splits of a graph hold; an index is made when it is first asked for."""

    def __init__(self, graph: Graph) -> None:
        self.triples = list(graph.triples.values())
        self.size = len(graph.entities), len(graph.relations)

    @cached_property
    def answers(self) -> Answers:
        return Answers.of(self.triples, self.size)

    @cached_property
    def relations(self) -> Relations:
        return Relations(self.triples, self.size[0])

    def beside(self, item: QueryFeatures | PairFeatures) -> QueryFeatures | PairFeatures:
        """The question with all its known answers; of an entity that the graph does not have, nothing is known."""
        if isinstance(item, QueryFeatures):
            return item if item.anchor == INDUCTIVE else replace(item, known=self._entities(item))
        if isinstance(item.head, int) and isinstance(item.tail, int):
            return replace(item, known=self.relations.between(item.head, item.tail))
        return item

    def _entities(self, item: QueryFeatures) -> tuple[int, ...]:
        asked: Int[np.ndarray, "1 3"] = np.array([[item.anchor, item.relation, int(item.target == "tail")]])
        return tuple(self.answers.find(asked)[:, 1].tolist())
