"""Multimodal named entity recognition: a tag per word, decoded by a CRF or each for itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from mkgc.data.examples import Span
from mkgc.data.processor import Processor
from mkgc.data.words import span_as_dict
from mkgc.errors import ConfigError
from mkgc.heads.span import Decoder, SpanTagger
from mkgc.heads.span_detection import SpanDetection
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.spans import SpanF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.training.optim import Optim
from mkgc.training.task import Task
from tasks.mner.data import TaggedBatch, TaggedQuery, TaggingProcessor
from tasks.mner.example import TaggedExample
from tasks.mner.explained import EntityExplainer
from tasks.mner.recorded import describe
from tasks.mner.windows import join_windows, scored_entities

Decoded = tuple[Float[Tensor, "B S C"], Int[Tensor, "B L"]]
"""The scores of states, and the tags of all words that are read off them."""

Recorded = tuple[Int[Tensor, "B L"], Float[Tensor, "B W"], Float[Tensor, "B W"]]
"""The decoded tags, and the probabilities of these and of the right ones at the words that are read."""


class EntityRecognition(Task):
    """A CRF over the words, each read at its first piece, that knows which tags may follow which.

    ``decoder="softmax"`` has no CRF: the likeliest tag of each word by itself.

    ``pooling="pieces"`` is the released code's: the CRF runs over all pieces, with states of their own for
    continuations (X), [CLS] and [SEP] and one that padding would have, and no constraint.

    Source: MKGformer (Chen et al., 2022), section 3.3.
    """

    monitor = "dev/f1"
    loss_weights = {"spans": 0.5}  # as in the released code of UMT, whose auxiliary loss it is
    rows = Task.rows | {
        re.compile(r"^head\.emit\.|^head\.crf\.chain\.(start|end)_transitions$"): ("tag", 1),
        re.compile(r"^head\.crf\.chain\.transitions$"): ("tag", 2),
    }
    processor: TaggingProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: TaggingProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: Literal["words", "pieces"] = "words",
        dropout: float = 0.1,
        decoder: Decoder = "crf",
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        if pooling not in ("words", "pieces"):
            raise ConfigError(f"task.model.pooling={pooling}: choose words or pieces")
        self.pooling = pooling
        self.states = self._states(processor)
        self.head = SpanTagger(backbone.width, self.states, dropout, pooling == "words", decoder)
        self.spans = self._span_detection(backbone.detect_spans(), dropout)
        self.build_metrics()

    def _span_detection(self, width: int | None, dropout: float) -> SpanDetection | None:
        """The head that finds where entities are in states that have seen no image, of a backbone that gives such."""
        if width is not None and self.pooling != "words":
            raise ConfigError(f"task.model.pooling={self.pooling}: this backbone detects spans of words: set words")
        return None if width is None else SpanDetection(width, self.states, dropout)

    def _states(self, processor: TaggingProcessor) -> tuple[str, ...]:
        return processor.tags if self.pooling == "words" else ("PAD", *processor.tags, "X", "[CLS]", "[SEP]")

    def named(self, processor: Processor) -> dict[str, Sequence[str]]:
        assert isinstance(processor, TaggingProcessor)
        return processor.named() | {"tag": self._states(processor)}

    def make_metric(self) -> SpanF1:
        return SpanF1(self.processor.labels)

    def scores(self, batch: TaggedBatch) -> Float[Tensor, "B S C"]:
        """A score for each state at each word (or piece)."""
        return self._scores(batch)[0]

    def _scores(self, batch: TaggedBatch) -> tuple[Float[Tensor, "B S C"], Float[Tensor, "B S 3"] | None]:
        """The same, with the scores of spans' beginnings and insides, where such are detected."""
        scene = {} if batch.scene is None else {"scene": batch.scene}
        streams = self.backbone(batch.text, batch.images, **scene)
        scores = self.head(streams.text if self.pooling == "pieces" else _at_words(streams.text, batch))
        if self.spans is None:
            return scores, None
        spans = self.spans(_at_words(streams.unimodal, batch))
        return self.spans.converted(spans, scores), spans

    def mask(self, batch: TaggedBatch) -> Bool[Tensor, "B S"]:
        """Where there is a word (or piece)."""
        return batch.text.mask if self.pooling == "pieces" else batch.word_mask

    def losses(self, batch: TaggedBatch) -> dict[str, Tensor]:
        tags = batch.tags if self.pooling == "words" else self._piece_states(batch)
        scores, spans = self._scores(batch)
        parts = {"tags": self.head.tagging(scores, tags, self.mask(batch))}
        if self.spans is not None and spans is not None:
            parts["spans"] = self.spans.loss(spans, tags, self.mask(batch))
        return parts

    def weight(self, batch: TaggedBatch) -> Tensor:
        """The number of sentences of which anything is tagged."""
        return self.mask(batch).any(1).sum().float()

    def _piece_states(self, batch: TaggedBatch) -> Int[Tensor, "B T"]:
        """The state of every piece: [CLS] first, [SEP] last, a word's tag at its first piece, X at its others."""
        other, first, last = (self.states.index(state) for state in ("X", "[CLS]", "[SEP]"))
        out = torch.full_like(batch.text.ids, other)
        out = out.scatter(1, batch.word_positions, batch.tags + self.states.index("O"))
        out[:, 0] = first  # where words that are none were put, too
        return out.scatter(1, batch.text.mask.sum(1, keepdim=True) - 1, last)

    def decode(self, batch: TaggedBatch, scores: Float[Tensor, "B S C"]) -> Int[Tensor, "B L"]:
        """A tag for every word of the sentences; O for those that were cut, and for states that are no tag."""
        tags = self.head.tagging.decode(scores, self.mask(batch))
        if self.pooling == "pieces":
            tags = _at_words(tags, batch) - self.states.index("O")
        is_tag = batch.word_mask & (tags >= 0) & (tags < len(self.processor.tags))
        return F.pad(tags.masked_fill(~is_tag, 0), (0, batch.gold.shape[1] - tags.shape[1]))

    def update_metric(self, batch: TaggedBatch, metric: SpanF1) -> Decoded:
        scores = self.scores(batch)
        decoded = self.decode(batch, scores)
        metric.update(decoded, batch.gold)
        return scores, decoded

    def record(self, batch: TaggedBatch, outcome: Decoded) -> Recorded:
        scores, decoded = outcome
        marginals = self._marginals(batch, scores)
        found, right = (self._certain(marginals, tags, batch) for tags in (decoded, batch.tags))
        return decoded, found, right

    def describe(self, recorded: Recorded, examples: Sequence[TaggedExample]) -> list[dict[str, Any]]:
        rows = zip(examples, *(part.tolist() for part in recorded), strict=True)
        tags = self.processor.tags
        return [describe(example, [tags[tag] for tag in found], *sure) for example, found, *sure in rows]

    def predict(self, batch: TaggedBatch) -> list[dict[str, Any]]:
        """Spans with their type, their words and the mean marginal probability of their tags."""
        scores = self.scores(batch)
        decoded = self.decode(batch, scores)
        certain = self._certain(self._marginals(batch, scores), decoded, batch)
        rows = zip(batch.words, decoded.tolist(), certain.tolist(), strict=True)
        return [{"tokens": list(words), "spans": self._spans(words, tags, sure)} for words, tags, sure in rows]

    def tagged(self, batch: TaggedBatch) -> tuple[Int[Tensor, "B L"], Float[Tensor, "B W C"]]:
        """A tag for every word of the sentences, and the probabilities of all tags at those that are read."""
        scores, first = self.scores(batch), self.states.index("O")
        marginals = self._marginals(batch, scores)[..., first : first + len(self.processor.tags)]
        return self.decode(batch, scores), marginals

    def explainer(self) -> EntityExplainer:
        """What it says of sentences for an explanation."""
        return EntityExplainer(self)

    def _marginals(self, batch: TaggedBatch, scores: Float[Tensor, "B S C"]) -> Float[Tensor, "B W C"]:
        """The probability of each state at each word."""
        marginals = self.head.tagging.marginals(scores, self.mask(batch))
        return _at_words(marginals, batch) if self.pooling == "pieces" else marginals

    def _certain(
        self, marginals: Float[Tensor, "B W C"], tags: Int[Tensor, "B L"], batch: TaggedBatch
    ) -> Float[Tensor, "B W"]:
        """The probability of a tag at each word that is read, 1 where there is none."""
        states = tags[:, : marginals.shape[1], None].clamp(min=0) + self.states.index("O")
        return marginals.gather(2, states)[..., 0].masked_fill(~batch.word_mask, 1)

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The entities of sentences (:class:`TaggedQuery`), of long ones joined from their windows."""
        parts = iter(super().predict_items([part for one in features for _, part in one.windows], store, size))
        return [self._joined(one, [next(parts) for _ in one.windows]) for one in features]

    def _joined(self, asked: TaggedQuery, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        words, raw = asked.example.tokens, asked.example.raw
        named = [[(e["type"], e["start"], e["end"], e["score"]) for e in part["spans"]] for part in parts]
        found = join_windows(zip([window for window, _ in asked.windows], named, strict=True))
        spans = [
            {"type": kind} | span_as_dict(words, raw, Span(start, end)) | {"score": score}
            for kind, start, end, score in found
        ]
        return {"tokens": list(words), "spans": spans}

    def _spans(self, words: Sequence[str], tags: Sequence[int], certain: Sequence[float]) -> list[dict[str, Any]]:
        """The spans that tags mark, with their words and the mean of their probabilities."""
        return [
            {"type": kind} | span_as_dict(words, None, Span(start, end)) | {"score": score}
            for kind, start, end, score in scored_entities([self.processor.tags[tag] for tag in tags], certain)
        ]


def _at_words(pieces: Shaped[Tensor, "B T *rest"], batch: TaggedBatch) -> Shaped[Tensor, "B W *rest"]:
    """The states at the first piece of each word."""
    rows = torch.arange(len(pieces), device=pieces.device)[:, None]
    return pieces[rows, batch.word_positions]
