"""What is asked of a graph: a query as an item, several as a batch, and a question for a relation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.cutting import Cut
from mkgc.data.examples import Pictures
from mkgc.kge.model import Side

UNSEEN = -1
"""The number of an entity that the graph does not have."""


def side_of(tail: object) -> Side:
    """The side that is asked for, of a truth value that says whether it is the tail."""
    return "tail" if tail else "head"


@dataclass(frozen=True)
class LinkItem:
    """A query; ``shown`` is the entity that is known, ``side`` the one that is asked for.

    ``ids`` are the prompt, ``own`` the positions in it of the known entity's token and text; both are empty where no
    text is read. ``blank`` are positions that hold nothing, as an entity that the graph does not have has no token;
    ``cut`` says what was left out of its text. ``targets`` are the answers to be scored, ``known`` all answers that
    ranking leaves out. ``shown`` is :data:`UNSEEN` for an entity that the graph does not have.
    """

    ids: tuple[int, ...]
    own: tuple[int, ...]
    mask: int
    shown: int
    relation: int
    side: Side
    pictures: Pictures
    targets: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()
    cut: Cut | None = None


@dataclass(frozen=True)
class Unseen:
    """An entity that the graph does not have: what a prompt shows of it."""

    text: tuple[int, ...]
    pictures: Pictures


def number(entity: int | Unseen) -> int:
    """An entity's position in the graph, or :data:`UNSEEN`."""
    return UNSEEN if isinstance(entity, Unseen) else entity


@dataclass(frozen=True)
class PairItem:
    """A question for the relation of two entities, of which the graph has one at least; ``known`` ones are left out.

    ``cut`` says what is left out of the text of one that the graph does not have, beside the longest relation.
    """

    head: int | Unseen
    tail: int | Unseen
    pictures: Pictures
    known: tuple[int, ...] = ()
    cut: Cut | None = None


@dataclass(frozen=True)
class TripleBatch(Part):
    """Queries by index; ``tail`` says which ask for the tail, ``targets`` and ``known`` are rows (query, entity)."""

    shown: Int[Tensor, " B"]
    relation: Int[Tensor, " B"]
    tail: Bool[Tensor, " B"]
    targets: Int[Tensor, "K 2"]
    known: Int[Tensor, "L 2"]

    def asks(self, side: Side) -> Bool[Tensor, " B"]:
        """Which queries are for that side."""
        return self.tail if side == "tail" else ~self.tail

    def triples(self, pairs: Int[Tensor, "K 2"]) -> Int[Tensor, "K 3"]:
        """The triples that rows (query, entity) stand for."""
        query, found = pairs.T
        shown, tail = self.shown[query], self.tail[query]
        return torch.stack([torch.where(tail, shown, found), self.relation[query], torch.where(tail, found, shown)], 1)


@dataclass(frozen=True)
class LinkBatch(TripleBatch):
    """The same with prompts and pictures; ``own`` marks the token and the text of the entity shown."""

    text: Text
    own: Bool[Tensor, "B T"]
    images: tuple[Images, ...]
    mask: Int[Tensor, " B"]


def triple_batch(items: list[LinkItem]) -> TripleBatch:
    """What items ask, without their prompts and pictures."""
    return TripleBatch(
        shown=torch.tensor([item.shown for item in items]),
        relation=torch.tensor([item.relation for item in items]),
        tail=torch.tensor([item.side == "tail" for item in items]),
        targets=pairs([item.targets for item in items]),
        known=pairs([item.known for item in items]),
    )


def pairs(rows: list[tuple[int, ...]]) -> Int[Tensor, "K 2"]:
    """Numbers row by row as pairs (row, number)."""
    return torch.tensor([(i, e) for i, row in enumerate(rows) for e in row], dtype=torch.long).reshape(-1, 2)
