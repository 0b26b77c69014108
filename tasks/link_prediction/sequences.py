"""KG-BERT: a triple is one sequence of its three texts, and the text encoder says whether it is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.analysis.calibration import Calibration
from mkgc.batch import Text
from mkgc.data.processor import pad
from mkgc.models.cross_encoder import CrossEncoder
from mkgc.nn.full_products import full_products
from mkgc.training.optim import Optim
from mkgc.training.smoke import HANDFUL
from tasks.link_prediction.prompt_processor import LinkProcessor
from tasks.link_prediction.ranked import Ranked
from tasks.link_prediction.sequence_processor import MARKS, SequenceBatch, SequenceProcessor, shares

UNREAD = -30.0
"""The score of what a smoke run does not read: as good as never true."""

Piece = tuple[Int[Tensor, "K _"], Int[Tensor, " K"], int]
"""Token ids, how many of them count, and their segment."""


class Texts(NamedTuple):
    """Token ids of texts, and how many of each row count."""

    ids: Int[Tensor, "N w"]
    lengths: Int[Tensor, " N"]

    def followed_by(self, ids: Int[Tensor, "X v"], lengths: Int[Tensor, " X"]) -> Texts:
        """These texts, and others behind them."""
        width = max(self.ids.shape[1], ids.shape[1])
        both = [F.pad(part, (0, width - part.shape[1])) for part in (self.ids, ids)]
        return Texts(torch.cat(both), torch.cat([self.lengths, lengths]))


class Sequences(nn.Module):
    """Sequences of triples: [CLS] head [SEP] relation [SEP] tail [SEP], in the segments 0, 1 and 0.

    An entity's text is its description, or its name where it has none. Where the three do not fit, the longer ones
    lose their ends (:func:`shares`).

    Source: KG-BERT (Yao et al., 2019), section 3.2; cut as in its released code, but for relations of more than a third
    of the room, which can leave nothing of the tail there.
    """

    entity_ids: Int[Tensor, "N w"]
    entity_lengths: Int[Tensor, " N"]
    relation_ids: Int[Tensor, "R v"]
    relation_lengths: Int[Tensor, " R"]

    def __init__(self, processor: LinkProcessor) -> None:
        super().__init__()
        t = self.tokenizer = processor.tokenizer
        self.room = processor.settings.max_length - MARKS
        texts = [t.ids(long or short) for short, long in zip(processor.names, processor.descriptions, strict=True)]
        self._keep("entity", texts)
        self._keep("relation", [t.ids(name) for name in processor.relation_names])
        self.lengths = tuple(self.entity_lengths.tolist())

    def _keep(self, kind: str, rows: Sequence[Sequence[int]]) -> None:
        """Texts as buffers, cut to the room there is; they move with the module."""
        cut = [row[: self.room] for row in rows]
        self.register_buffer(f"{kind}_ids", pad(cut, 0), persistent=False)
        self.register_buffer(f"{kind}_lengths", torch.tensor([len(row) for row in cut]), persistent=False)

    @property
    def entities(self) -> Texts:
        """The texts of the graph's entities."""
        return Texts(self.entity_ids, self.entity_lengths)

    def forward(self, triples: Int[Tensor, "K 3"], width: int | None = None, entities: Texts | None = None) -> Text:
        """The sequences of triples (head, relation, tail), of which ``entities`` may be others than the graph's.

        None of them is longer than ``width``; None: than there is room for.
        """
        head, relation, tail = triples.T
        entities = entities or self.entities
        lengths = entities.lengths[head], self.relation_lengths[relation], entities.lengths[tail]
        first, second, third = shares(*lengths, self.room)
        start, stop = (
            triples.new_full((len(triples), 1), mark) for mark in (self.tokenizer.start, self.tokenizer.stop)
        )
        one = torch.ones_like(head)
        pieces: list[Piece] = [
            (start, one, 0),
            (entities.ids[head], first, 0),
            (stop, one, 0),
            (self.relation_ids[relation], second, 1),
            (stop, one, 1),
            (entities.ids[tail], third, 0),
            (stop, one, 0),
        ]
        return joined(pieces, self.tokenizer.pad, width or self.room + MARKS)


def joined(pieces: Sequence[Piece], padding: int, width: int) -> Text:
    """Pieces one behind the other as one text each, without gaps, of a width that the longest needs."""
    ids = torch.cat([ids for ids, _, _ in pieces], 1)
    segments = torch.cat([torch.full_like(ids, segment) for ids, _, segment in pieces], 1)
    there = torch.cat([_counted(ids, lengths) for ids, lengths, _ in pieces], 1)
    order = (~there).int().argsort(dim=1, stable=True)[:, :width]
    mask = there.gather(1, order)
    return Text(ids.gather(1, order).masked_fill(~mask, padding), mask, segments.gather(1, order) * mask)


def _counted(ids: Int[Tensor, "K w"], lengths: Int[Tensor, " K"]) -> Bool[Tensor, "K w"]:
    return torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]


class SequencePrediction(Ranked):
    """Triples are told from corrupted ones by a linear function of the state at [CLS].

    For each query of a batch its processor draws one of the answers, which makes a true triple, and so many entities
    that are no answer of it; hence a step costs 1 + ``backbone.negatives`` sequences a query, however many answers
    there are. The batch says what is an answer: with ``task.data.examples=triples`` only the one that is asked about.
    The paper's two outputs with a softmax are one output with a sigmoid.

    To rank, every entity takes the missing place: B queries over N entities cost B x N sequences, against B of the
    models that score all entities at once. They are run in chunks, so that memory does not grow with N.

    Source: KG-BERT (Yao et al., 2019), equations 1 and 2, and section 4.1 for the negatives.
    """

    backbone: CrossEncoder
    processor: SequenceProcessor

    def __init__(
        self,
        backbone: CrossEncoder,
        processor: SequenceProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        top_k: int = 10,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata, top_k)
        processor.negatives = backbone.negatives
        self.sequences = Sequences(processor)
        dropout = float(backbone.text.config.hidden_dropout_prob)
        self.dropout, self.classifier = nn.Dropout(dropout), nn.Linear(backbone.width, 1)
        self.build_metrics()

    def judge(
        self, triples: Int[Tensor, "K 3"], width: int | None = None, entities: Texts | None = None
    ) -> Float[Tensor, " K"]:
        """The score of each triple, positive where it is rather true."""
        states = self.dropout(self.backbone(self.sequences(triples, width, entities)))
        return full_products(states, self.classifier.weight, self.classifier.bias)[:, 0]

    def losses(self, batch: SequenceBatch) -> dict[str, Tensor]:
        """Cross-entropy of one true triple a query and its corrupted ones, a mean over all of them."""
        scores = self.judge(batch.triples(paired(batch.candidates)), batch.width).view(batch.candidates.shape)
        right = torch.zeros_like(scores)
        right[:, 0] = 1.0
        return {"triple": F.binary_cross_entropy_with_logits(scores, right)}

    def queries(self, batch: SequenceBatch) -> SequenceBatch:
        """The batch itself, as only whole triples are read; the known entities are rows of texts."""
        return replace(batch, anchor=batch.subject)

    @torch.no_grad()
    def score_candidates(self, queries: SequenceBatch, entities: slice) -> Float[Tensor, "B n"]:
        """The scores of some entities; those that run together are of like length.

        A smoke run reads a handful of them, and the others have the score :data:`UNREAD`.
        """
        if not self.smoke:
            return self._scored(queries, entities)
        first, last, _ = entities.indices(self.reads)
        step = max((last - first) // HANDFUL, 1)
        some = self._scored(queries, slice(first, last, step))
        scores = some.new_full((len(some), last - first), UNREAD)
        scores[:, ::step] = some
        return scores

    def _scored(self, queries: SequenceBatch, entities: slice) -> Float[Tensor, "B n"]:
        texts, known = self.sequences.entities, self.sequences.entity_lengths
        if len(queries.own_ids):
            texts = texts.followed_by(queries.own_ids, queries.own_lengths)
        order, lengths = known[entities].argsort(stable=True), sorted(self.sequences.lengths[entities])
        numbers = torch.arange(len(known), device=known.device)[entities][order]
        chunk, out = self.backbone.chunk, []
        for rows in _parts(len(queries.lengths), max(chunk // len(lengths), 1)):
            longest, scores = max(queries.lengths[rows]), []
            for places in _parts(len(lengths), chunk):
                width = min(longest + lengths[places.stop - 1], self.sequences.room) + MARKS
                some = paired(numbers[places].expand(rows.stop - rows.start, -1), rows.start)
                scores.append(self.judge(queries.triples(some), width, texts).view(rows.stop - rows.start, -1))
            out.append(torch.cat(scores, 1))
        return torch.cat(out)[:, order.argsort()]

    @property
    def uncalibrated(self) -> Calibration:
        """Of each triple on its own."""
        return Calibration("sigmoid")

    @property
    def reads(self) -> int:
        return len(self.processor.entities)


def paired(entities: Int[Tensor, "B n"], first: int = 0) -> Int[Tensor, "K 2"]:
    """The entities of each query as rows (query, entity), of queries from the ``first`` on."""
    query = torch.arange(first, first + len(entities), device=entities.device)[:, None].expand_as(entities)
    return torch.stack([query.flatten(), entities.flatten()], 1)


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
