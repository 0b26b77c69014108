"""Batches of sentences with what is asked about their words, their mentions and pairs of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.batch import Images, Knowledge, Part, Text
from mkgc.data.hidden import HiddenPieces
from tasks.knowledge_pretraining.features import Shown


@dataclass(frozen=True)
class LinkedMentions(Part):
    """The places of mentions, counted through all of the batch, and which of the ``candidates`` each means.

    Candidates are entities by their numbers, each once; ``admitted`` says which of them a mention is compared with.
    """

    places: Int[Tensor, " L"]
    candidates: Int[Tensor, " C"]
    targets: Int[Tensor, " L"]
    admitted: Bool[Tensor, "L C"]


@dataclass(frozen=True)
class RelatedPairs(Part):
    """The places of heads and tails among mentions, counted through all of the batch, and each pair's relations."""

    ends: Int[Tensor, "P 2"]
    labels: Float[Tensor, "P R"]


@dataclass(frozen=True)
class ReplacedMentions(Part):
    """The places of the pieces before and behind each mention, counted through all texts; 1 where it is replaced."""

    borders: Int[Tensor, "L 2"]
    labels: Float[Tensor, " L"]


@dataclass(frozen=True)
class PretrainingBatch(Part):
    """Sentences; ``spans`` are the pieces of their mentions, empty where there is padding."""

    text: Text
    knowledge: Knowledge | None
    spans: Int[Tensor, "B M 2"]
    hidden: HiddenPieces
    linked: LinkedMentions
    related: RelatedPairs
    replaced: ReplacedMentions
    images: tuple[Images, ...] = ()


def collate_spans(shown: Sequence[Shown]) -> Int[Tensor, "B M 2"]:
    """The spans of all mentions, padded to the sentence with the most, and at least to one."""
    most = max(1, *(len(one.spans) for one in shown))
    return torch.tensor([[*one.spans, *[(0, 0)] * (most - len(one.spans))] for one in shown])


def collate_linked(shown: Sequence[Shown], most: int, own: bool) -> LinkedMentions:
    """All mentions, to be compared with all entities of the batch, or with the sentence's ``own`` alone."""
    mentioned = {entity: None for one in shown for entity in one.entities}
    number = {entity: place for place, entity in enumerate(mentioned or {0: None})}
    places = [row * most + place for row, one in enumerate(shown) for place in range(len(one.entities))]
    admitted = torch.ones(len(places), len(number), dtype=torch.bool)
    if own:
        rows = [{number[entity] for entity in one.entities} for one in shown for _ in one.entities]
        admitted = torch.tensor([[place in row for place in range(len(number))] for row in rows], dtype=torch.bool)
        admitted = admitted.view(len(places), len(number))
    targets = [number[entity] for one in shown for entity in one.entities]
    return LinkedMentions(_whole(places), _whole([*number]), _whole(targets), admitted)


def collate_related(shown: Sequence[Shown], most: int, relations: int) -> RelatedPairs:
    """The pairs that are asked about, with a column for each relation of the graph."""
    pairs = [(row * most, pair) for row, one in enumerate(shown) for pair in one.pairs]
    labels = torch.zeros(len(pairs), relations)
    for row, (_, pair) in enumerate(pairs):
        labels[row, list(pair.relations)] = 1.0
    ends = [(first + pair.head, first + pair.tail) for first, pair in pairs]
    return RelatedPairs(_whole(ends).view(-1, 2), labels)


def collate_replaced(shown: Sequence[Shown], width: int) -> ReplacedMentions:
    """All mentions, with what stands around each: at least the marks at a text's ends."""
    borders = [
        (row * width + span.start - 1, row * width + span.end) for row, one in enumerate(shown) for span in one.spans
    ]
    return ReplacedMentions(
        _whole(borders).view(-1, 2), torch.tensor([*chain(*(one.replaced for one in shown))]).float()
    )


def tie(knowledge: Knowledge, shown: Sequence[Shown]) -> Knowledge:
    """The graphs with other nodes of mentions, or none, where that was drawn."""
    nodes, spans = knowledge.nodes.clone(), knowledge.spans.clone()
    for row, one in enumerate(shown):
        for place, node in enumerate(one.nodes):
            if node is None:
                spans[row, place] = 0
            else:
                nodes[row, place] = node
    return Knowledge(nodes, knowledge.mask, knowledge.adjacency, spans)


def _whole(numbers: Sequence[Any]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long)
