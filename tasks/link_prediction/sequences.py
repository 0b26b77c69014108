"""KG-BERT: a triple is one sequence of its three texts, and the text encoder says whether it is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.analysis.calibration import Calibration
from mkgc.batch import Text
from mkgc.data.processor import pad
from mkgc.kge.negatives import NegativeSampler
from mkgc.models.cross_encoder import CrossEncoder
from mkgc.nn.full_products import full_products
from mkgc.training.task import Optim
from tasks.link_prediction.batch import INDUCTIVE, LinkBatch, TripleBatch
from tasks.link_prediction.processor import LinkProcessor
from tasks.link_prediction.ranked import Ranked
from tasks.link_prediction.sequence_processor import MARKS, shares

Piece = tuple[Int[Tensor, "K _"], Int[Tensor, " K"], int]
"""Token ids, how many of them count, and their segment."""


class Texts(nn.Module):
    """Token ids of texts, each made once and cut to ``max_images`` tokens; they move with the module."""

    ids: Int[Tensor, "N w"]
    lengths: Int[Tensor, " N"]

    def __init__(self, rows: Sequence[Sequence[int]], most: int) -> None:
        super().__init__()
        cut = [row[:most] for row in rows]
        self.register_buffer("ids", pad(cut, 0), persistent=False)
        self.register_buffer("lengths", torch.tensor([len(row) for row in cut]), persistent=False)

    def followed_by(self, rows: Sequence[Sequence[int]], most: int) -> Texts:
        """These texts, and others behind them."""
        out = Texts(rows, most).to(self.ids.device)
        width = max(self.ids.shape[1], out.ids.shape[1])
        out.ids = torch.cat([F.pad(ids, (0, width - ids.shape[1])) for ids in (self.ids, out.ids)])
        out.lengths = torch.cat([self.lengths, out.lengths])
        return out


class Sequences(nn.Module):
    """Sequences of triples: [CLS] head [SEP] relation [SEP] tail [SEP], in the segments 0, 1 and 0.

    An entity's text is its description, or its name where it has none. Where the three do not fit, the longer ones
    lose their ends (:func:`shares`).

    Source: KG-BERT (Yao et al., 2019), section 3.2; cut as in its released code, but for relations of more than a third
    of the room, which can leave nothing of the tail there.
    """

    def __init__(self, processor: LinkProcessor) -> None:
        super().__init__()
        t = self.tokenizer = processor.tokenizer
        self.room = processor.settings.max_length - MARKS
        entities = [t.ids(long or short) for short, long in zip(processor.names, processor.descriptions, strict=True)]
        self.entities = Texts(entities, self.room)
        self.relations = Texts([t.ids(name) for name in processor.relation_names], self.room)

    def forward(self, triples: Int[Tensor, "K 3"], entities: Texts | None = None) -> Text:
        """The sequences of triples (head, relation, tail), of which ``entities`` may be others than the graph's."""
        head, relation, tail = triples.T
        entities = entities or self.entities
        lengths = entities.lengths[head], self.relations.lengths[relation], entities.lengths[tail]
        first, second, third = shares(*lengths, self.room)
        start, stop = (
            triples.new_full((len(triples), 1), mark) for mark in (self.tokenizer.start, self.tokenizer.stop)
        )
        one = torch.ones_like(head)
        pieces: list[Piece] = [
            (start, one, 0),
            (entities.ids[head], first, 0),
            (stop, one, 0),
            (self.relations.ids[relation], second, 1),
            (stop, one, 1),
            (entities.ids[tail], third, 0),
            (stop, one, 0),
        ]
        return joined(pieces, self.tokenizer.pad)


def joined(pieces: Sequence[Piece], padding: int) -> Text:
    """Pieces one behind the other as one text each, without gaps."""
    ids = torch.cat([ids for ids, _, _ in pieces], 1)
    segments = torch.cat([torch.full_like(ids, segment) for ids, _, segment in pieces], 1)
    there = torch.cat([_counted(ids, lengths) for ids, lengths, _ in pieces], 1)
    width = int(there.sum(1).max())
    order = (~there).int().argsort(dim=1, stable=True)[:, :width]
    mask = there.gather(1, order)
    return Text(ids.gather(1, order).masked_fill(~mask, padding), mask, segments.gather(1, order) * mask)


def _counted(ids: Int[Tensor, "K w"], lengths: Int[Tensor, " K"]) -> Bool[Tensor, "K w"]:
    return torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]


class Asked(NamedTuple):
    """Queries, and the texts of all entities that they are about or can be answered with."""

    batch: TripleBatch
    texts: Texts


class SequencePrediction(Ranked):
    """Triples are told from corrupted ones by a linear function of the state at [CLS].

    For each query of a batch one of its answers is drawn, which makes a true triple, and so many entities that are no
    answer of it; hence a step costs 1 + ``backbone.negatives`` sequences a query, however many answers there are. The
    batch says what is an answer: with ``task.data.examples=triples`` only the one that is asked about. The paper's two
    outputs with a softmax are one output with a sigmoid.

    To rank, every entity takes the missing place: B queries over N entities cost B x N sequences, against B of the
    models that score all entities at once. They are run in chunks, so that memory does not grow with N.

    Source: KG-BERT (Yao et al., 2019), equations 1 and 2, and section 4.1 for the negatives.
    """

    backbone: CrossEncoder
    processor: LinkProcessor

    def __init__(self, backbone: CrossEncoder, processor: LinkProcessor, optim: Optim, top_k: int = 10) -> None:
        super().__init__(backbone, processor, optim, top_k)
        self.sequences = Sequences(processor)
        dropout = float(backbone.text.config.hidden_dropout_prob)
        self.dropout, self.classifier = nn.Dropout(dropout), nn.Linear(backbone.width, 1)
        self.build_metrics()

    def judge(self, triples: Int[Tensor, "K 3"], entities: Texts | None = None) -> Float[Tensor, " K"]:
        """The score of each triple, positive where it is rather true."""
        states = self.dropout(self.backbone(self.sequences(triples, entities)))
        return full_products(states, self.classifier.weight, self.classifier.bias)[:, 0]

    def loss(self, batch: TripleBatch) -> Tensor:
        """Cross-entropy of one true triple a query and its corrupted ones, a mean over all of them."""
        candidates = torch.cat([(answer := drawn(batch))[:, None], self._corrupted(batch, answer)], 1)
        scores = self.judge(batch.triples(paired(candidates))).view(candidates.shape)
        right = torch.zeros_like(scores)
        right[:, 0] = 1.0
        return F.binary_cross_entropy_with_logits(scores, right)

    def _corrupted(self, batch: TripleBatch, answer: Int[Tensor, " B"]) -> Int[Tensor, "B K"]:
        """Entities in the place of the answer that answer none of the batch's queries of that kind."""
        counts = len(self.processor.entities), len(self.processor.relations), self.backbone.negatives
        negatives = NegativeSampler(*counts, known=batch.triples(batch.targets))
        draws = torch.Generator(answer.device).manual_seed(int(torch.randint(1 << 62, ())))
        return negatives(batch.triples(paired(answer[:, None])), batch.tail, draws)

    def queries(self, batch: TripleBatch) -> Asked:
        """The batch itself, as only whole triples are read; entities that the graph does not have get numbers."""
        texts, rows = self.sequences.entities, (batch.anchor == INDUCTIVE).nonzero()[:, 0]
        if not len(rows) or not isinstance(batch, LinkBatch):
            return Asked(batch, texts)
        own = [batch.text.ids[row][batch.anchor_positions[row]].tolist() for row in rows]
        anchor = batch.anchor.clone()
        anchor[rows] = len(texts.ids) + torch.arange(len(rows), device=rows.device)
        return Asked(replace(batch, anchor=anchor), texts.followed_by(own, self.sequences.room))

    @torch.no_grad()
    def score_candidates(self, queries: Asked, entities: slice) -> Float[Tensor, "B n"]:
        """The scores of some entities; those that run together are of like length."""
        lengths = self.sequences.entities.lengths
        numbers = torch.arange(len(lengths), device=lengths.device)[entities]
        order = lengths[numbers].argsort(stable=True)
        out = torch.empty(len(queries.batch.anchor), len(order), device=order.device)
        for pair in torch.arange(out.numel(), device=order.device).split(self.backbone.chunk):
            query, place = pair.div(len(order), rounding_mode="floor"), order[pair % len(order)]
            triples = queries.batch.triples(torch.stack([query, numbers[place]], 1))
            out[query, place] = self.judge(triples, queries.texts).to(out.dtype)
        return out

    @property
    def uncalibrated(self) -> Calibration:
        """Of each triple on its own."""
        return Calibration("sigmoid")

    @property
    def reads(self) -> int:
        return len(self.processor.entities)


def paired(entities: Int[Tensor, "B n"]) -> Int[Tensor, "K 2"]:
    """The entities of each query as rows (query, entity)."""
    query = torch.arange(len(entities), device=entities.device).repeat_interleave(entities.shape[1])
    return torch.stack([query, entities.flatten()], 1)


def drawn(batch: TripleBatch) -> Int[Tensor, " B"]:
    """One of each query's answers, all equally likely; the queries of ``targets`` are in order."""
    counts = batch.targets[:, 0].bincount(minlength=len(batch.anchor))
    place = (torch.rand(len(counts), device=counts.device) * counts).long()
    return batch.targets[counts.cumsum(0) - counts + place, 1]
