"""KG-BERT's sequences: of each triple its three texts, which are cut otherwise than a query's prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Images
from mkgc.data.cutting import Cut
from mkgc.data.graph import Triples
from mkgc.data.processor import pad
from mkgc.images.loaded import LoadedImages
from mkgc.kge.negatives import NegativeSampler
from tasks.link_prediction.batch import INDUCTIVE, EncodedEntity, QueryArrays, QueryFeatures, TripleBatch
from tasks.link_prediction.prompt_processor import LinkProcessor

MARKS = 4
"""Tokens of a sequence beside its three texts: [CLS] and three [SEP]."""


@dataclass(frozen=True)
class SequenceBatch(TripleBatch):
    """Queries with what their sequences need.

    ``subject`` are the rows of the known entities' texts, among those of the graph's and, behind them, ``own`` ones of
    entities that it does not have. ``lengths`` are the tokens of each query's two texts. ``candidates`` are an answer
    of each query and wrong ones, whose sequences are at most ``width`` tokens long.
    """

    subject: Int[Tensor, " B"]
    own_ids: Int[Tensor, "X w"]
    own_lengths: Int[Tensor, " X"]
    lengths: tuple[int, ...]
    candidates: Int[Tensor, "B C"]
    width: int
    images: tuple[Images, ...] = ()


def shares(first: Tensor, second: Tensor, third: Tensor, room: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many tokens of head, relation and tail there is room for, of so many.

    A relation keeps a third of the room, or what the entities leave; of the entities, the longer is cut first.
    """
    second = second.minimum((room - first - third).clamp(min=room // 3))
    left = room - second
    first = first.minimum((left - third).maximum((left + 1) // 2))
    return first, second, third.minimum(left - first)


class SequenceProcessor(LinkProcessor):
    """Queries whose triples are read as sequences: what does not fit is counted for each triple, as it is read.

    Where queries have answers, a batch holds one of them for each query and ``negatives`` wrong ones, drawn by the
    batch's own contents: as its examples change from epoch to epoch, so do they, whichever process draws them.
    """

    reads: Literal["prompts", "triples"] = "triples"
    negatives = 5

    def read_lengths(self, triples: Triples) -> Int[np.ndarray, " T"]:
        """How long the sequences of triples would be if nothing were cut."""
        head, relation, tail = triples.T
        return self._text_lengths[head] + self._name_lengths[relation] + self._text_lengths[tail] + MARKS

    def collate(  # type: ignore[override]  # no prompts are read
        self, features: QueryArrays | Sequence[QueryFeatures], store: LoadedImages
    ) -> SequenceBatch:
        if isinstance(features, QueryArrays):
            arrays, own = features, []
        else:
            arrays = QueryArrays.of(features)
            own = [[item.ids[i] for i in item.anchor_positions] for item in features if item.anchor == INDUCTIVE]
        anchor, relation, _ = arrays.queries.T
        room, subject = self.settings.max_length - MARKS, anchor.copy()
        subject[anchor == INDUCTIVE] = len(self.entities) + np.arange(len(own))
        lengths = np.append(self._text_lengths, [len(text) for text in own]).astype(np.int64).clip(max=room)
        asked = lengths[subject] + self._name_lengths[relation].clip(max=room)
        candidates = self._candidates(arrays)
        longest = lengths[candidates].max(1, initial=0) + asked
        fields: dict[str, Any] = dict(arrays.tensors())
        return SequenceBatch(
            **fields,
            subject=torch.from_numpy(subject),
            own_ids=pad([text[:room] for text in own], self.tokenizer.pad, least=1)
            if own
            else torch.empty(0, 1).long(),
            own_lengths=torch.tensor([min(len(text), room) for text in own], dtype=torch.long),
            lengths=tuple(asked.tolist()),
            candidates=torch.from_numpy(candidates),
            width=int(longest.clip(max=room).max(initial=0)) + MARKS,
        )

    def _candidates(self, arrays: QueryArrays) -> Int[np.ndarray, "B K"]:
        """An answer of each query, all equally likely, and entities that answer none of the batch's of its kind."""
        if not len(arrays.targets):
            return np.empty((len(arrays.queries), 0), np.int64)
        draws = torch.Generator().manual_seed(crc32(arrays.queries.tobytes() + arrays.targets.tobytes()))
        batch = TripleBatch(**arrays.tensors())
        answer = drawn(batch, draws)
        rows = torch.stack([torch.arange(len(answer)), answer], 1)
        sizes = len(self.entities), len(self.relations), self.negatives
        wrong = NegativeSampler(*sizes, known=batch.triples(batch.targets))(batch.triples(rows), batch.tail, draws)
        return torch.cat([answer[:, None], wrong], 1).numpy()

    def _cut(self, anchor: int | EncodedEntity, relation: int, end: str) -> Cut | None:
        """The cut of a user's own text beside the longest of the texts that it may stand with."""
        if not isinstance(anchor, EncodedEntity):
            return None
        own, ask, other = map(torch.tensor, (len(anchor.text), self._name_lengths[relation], self._text_lengths.max()))
        head, tail = (own, other) if end == "head" else (other, own)
        first, _, third = shares(head, ask, tail, self.settings.max_length - MARKS)
        lost = int(own - (first if end == "head" else third))
        return Cut(lost, mentions=(end,)) if lost else None


def drawn(batch: TripleBatch, draws: torch.Generator) -> Int[Tensor, " B"]:
    """One of each query's answers, all equally likely; the queries of ``targets`` are in order."""
    counts = batch.counts().long()
    place = (torch.rand(len(counts), generator=draws) * counts).long()
    return batch.targets[counts.cumsum(0) - counts + place, 1]
