"""Queries of a graph: a query as an item, several as a batch, and a question for a relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.answers import Pairs, QueryRows
from mkgc.data.cutting import Cut
from mkgc.data.examples import ImagePaths
from mkgc.kge.model import Target

INDUCTIVE = -1
"""The number of an entity that the graph does not have."""


def target_of(tail: object) -> Target:
    """The side that is asked for, of a truth value that says whether it is the tail."""
    return "tail" if tail else "head"


@dataclass(frozen=True)
class QueryFeatures:
    """A query; ``anchor`` is the entity that is known, ``target`` the one that is asked for.

    ``ids`` are the prompt, ``anchor_positions`` the positions in it of the known entity's token and text; both are
    empty where no text is read. ``blank`` are positions that hold nothing, as an entity that the graph does not
    have has no token; ``cut`` says what was left out of its text. ``targets`` are the answers to be scored,
    ``known`` all answers that ranking leaves out. ``anchor`` is :data:`INDUCTIVE` for an entity that the graph does
    not have.
    """

    ids: tuple[int, ...]
    anchor_positions: tuple[int, ...]
    mask: int
    anchor: int
    relation: int
    target: Target
    images: ImagePaths
    targets: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()
    cut: Cut | None = None


@dataclass(frozen=True)
class EncodedEntity:
    """An entity that the graph does not have: what a prompt shows of it."""

    text: tuple[int, ...]
    images: ImagePaths


def number(entity: int | EncodedEntity) -> int:
    """An entity's position in the graph, or :data:`INDUCTIVE`."""
    return INDUCTIVE if isinstance(entity, EncodedEntity) else entity


@dataclass(frozen=True)
class PairFeatures:
    """A question for the relation of two entities, of which the graph has one at least; ``known`` ones are left out.

    ``cut`` says what is left out of the text of one that the graph does not have, beside the longest relation.
    """

    head: int | EncodedEntity
    tail: int | EncodedEntity
    images: ImagePaths
    known: tuple[int, ...] = ()
    cut: Cut | None = None


@dataclass(frozen=True)
class QueryArrays:
    """Several queries as arrays, with their answers in order of the queries."""

    queries: QueryRows
    targets: Pairs
    known: Pairs

    @classmethod
    def of(cls, features: Sequence[QueryFeatures]) -> QueryArrays:
        """The same without prompts and images."""
        rows = [(item.anchor, item.relation, int(item.target == "tail")) for item in features]
        answers = pairs([item.targets for item in features]), pairs([item.known for item in features])
        return cls(np.array(rows, np.int64).reshape(-1, 3), *(part.numpy() for part in answers))

    def tensors(self) -> dict[str, Tensor]:
        """The fields of a :class:`TripleBatch`."""
        anchor, relation, tail = torch.from_numpy(self.queries).unbind(1)
        answers = {"targets": self.targets, "known": self.known, "filtered": self._filtered()}
        arrays = {name: torch.from_numpy(rows) for name, rows in answers.items()}
        return {"anchor": anchor, "relation": relation, "tail": tail.bool(), **arrays}

    def _filtered(self) -> Pairs:
        """The known answers of each target's query."""
        sizes = np.bincount(self.known[:, 0], minlength=len(self.queries))
        starts, query = sizes.cumsum() - sizes, self.targets[:, 0]
        row = np.repeat(np.arange(len(query)), sizes[query])
        within = np.arange(len(row)) - np.repeat(sizes[query].cumsum() - sizes[query], sizes[query])
        return np.stack([row, self.known[starts[query[row]] + within, 1]], axis=1)


@dataclass(frozen=True)
class TripleBatch(Part):
    """Queries by index; ``tail`` says which ask for the tail, ``targets`` and ``known`` are rows (query, entity).

    ``filtered`` are the known answers beside each target, as rows (place among the targets, entity).
    """

    anchor: Int[Tensor, " B"]
    relation: Int[Tensor, " B"]
    tail: Bool[Tensor, " B"]
    targets: Int[Tensor, "K 2"]
    known: Int[Tensor, "L 2"]
    filtered: Int[Tensor, "M 2"]

    def counts(self) -> Float[Tensor, " B"]:
        """How many answers each query has."""
        one = torch.ones(len(self.targets), device=self.targets.device)
        return torch.zeros(len(self.anchor), device=one.device).index_add(0, self.targets[:, 0], one)

    def triples(self, pairs: Int[Tensor, "K 2"]) -> Int[Tensor, "K 3"]:
        """The triples that rows (query, entity) stand for."""
        query, found = pairs.T
        anchor, tail = self.anchor[query], self.tail[query]
        return torch.stack(
            [torch.where(tail, anchor, found), self.relation[query], torch.where(tail, found, anchor)], 1
        )


@dataclass(frozen=True)
class LinkBatch(TripleBatch):
    """The same with prompts and images; ``anchor_positions`` marks the token and the text of the entity shown."""

    text: Text
    anchor_positions: Bool[Tensor, "B T"]
    images: tuple[Images, ...]
    mask: Int[Tensor, " B"]


def pairs(rows: list[tuple[int, ...]]) -> Int[Tensor, "K 2"]:
    """Numbers row by row as pairs (row, number)."""
    return torch.tensor([(i, e) for i, row in enumerate(rows) for e in row], dtype=torch.long).reshape(-1, 2)
