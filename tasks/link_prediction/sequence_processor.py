"""What KG-BERT reads: of each triple its three texts, which are cut otherwise than a query's prompt."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.data.cutting import Cut
from mkgc.data.graph import Triples
from tasks.link_prediction.batch import EncodedEntity
from tasks.link_prediction.processor import LinkProcessor

MARKS = 4
"""Tokens of a sequence beside its three texts: [CLS] and three [SEP]."""


def shares(first: Tensor, second: Tensor, third: Tensor, room: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many tokens of head, relation and tail there is room for, of so many.

    A relation keeps a third of the room, or what the entities leave; of the entities, the longer is cut first.
    """
    second = second.minimum((room - first - third).clamp(min=room // 3))
    left = room - second
    first = first.minimum((left - third).maximum((left + 1) // 2))
    return first, second, third.minimum(left - first)


class SequenceCodec(LinkProcessor):
    """Queries whose triples are read as sequences: what does not fit is counted for each triple, as it is read."""

    reads: Literal["prompts", "triples"] = "triples"

    def read_lengths(self, triples: Triples) -> Int[np.ndarray, " T"]:
        """How long the sequences of triples would be if nothing were cut."""
        head, relation, tail = triples.T
        return self._text_lengths[head] + self._name_lengths[relation] + self._text_lengths[tail] + MARKS

    def _cut(self, anchor: int | EncodedEntity, relation: int, end: str) -> Cut | None:
        """What is left out of a user's own text beside the longest of the texts that it may stand with."""
        if not isinstance(anchor, EncodedEntity):
            return None
        own, ask, other = map(torch.tensor, (len(anchor.text), self._name_lengths[relation], self._text_lengths.max()))
        head, tail = (own, other) if end == "head" else (other, own)
        first, _, third = shares(head, ask, tail, self.settings.max_length - MARKS)
        lost = int(own - (first if end == "head" else third))
        return Cut(lost, mentions=(end,)) if lost else None
