"""Multimodal named entity recognition: a tag per word, decoded by a CRF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.data.processor import Processor
from mkgc.errors import ConfigError
from mkgc.metrics.spans import SpanF1, bio_spans
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.crf import Crf, select_words
from mkgc.training.task import Optim, Task
from tasks.mner.data import TaggedBatch, TaggingProcessor


class EntityRecognition(Task):
    """A CRF over the words, each read at its first piece, that knows which tags may follow which.

    ``pooling="pieces"`` is the released code's: the CRF runs over all pieces, with states of their own for
    continuations (X), [CLS] and [SEP] and one that padding would have, and no constraint.

    Source: MKGformer (Chen et al., 2022), section 3.3.
    """

    monitor = "dev/f1"
    rows = Task.rows | {
        re.compile(r"^emit\.|^crf\.chain\.(start|end)_transitions$"): ("tag", 1),
        re.compile(r"^crf\.chain\.transitions$"): ("tag", 2),
    }
    processor: TaggingProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: TaggingProcessor,
        optim: Optim,
        pooling: Literal["words", "pieces"] = "words",
        dropout: float = 0.1,
    ) -> None:
        super().__init__(backbone, processor, optim)
        if pooling not in ("words", "pieces"):
            raise ConfigError(f"task.model.pooling={pooling}: choose words or pieces")
        self.pooling = pooling
        self.states = self._states(processor)
        self.dropout = nn.Dropout(dropout)
        self.emit = nn.Linear(backbone.width, len(self.states))
        self.crf = Crf(self.states, bio=pooling == "words")
        self.build_metrics()

    def _states(self, processor: TaggingProcessor) -> tuple[str, ...]:
        return processor.tags if self.pooling == "words" else ("PAD", *processor.tags, "X", "[CLS]", "[SEP]")

    def named(self, processor: Processor) -> dict[str, Sequence[str]]:
        assert isinstance(processor, TaggingProcessor)
        return processor.named() | {"tag": self._states(processor)}

    def make_metric(self) -> SpanF1:
        return SpanF1(self.processor.labels)

    def scores(self, batch: TaggedBatch) -> tuple[Float[Tensor, "B S C"], Bool[Tensor, "B S"]]:
        """A score for each state at each word (or piece), and the mask of these."""
        states = self.backbone(batch.text, batch.images).text
        if self.pooling == "pieces":
            return self.emit(self.dropout(states)), batch.text.mask
        words, mask = select_words(states, batch.first)
        return self.emit(self.dropout(words)), mask

    def loss(self, batch: TaggedBatch) -> Tensor:
        emissions, mask = self.scores(batch)
        return self.crf(emissions, batch.tags if self.pooling == "words" else self._piece_states(batch), mask)

    def weight(self, batch: TaggedBatch) -> Tensor:
        """The number of sentences that the CRF reads anything of."""
        return (batch.first if self.pooling == "words" else batch.text.mask).any(1).sum().float()

    def _piece_states(self, batch: TaggedBatch) -> Int[Tensor, "B T"]:
        """The state of every piece: [CLS] first, [SEP] last, a word's tag at its first piece, X at its others."""
        out = torch.where(batch.text.mask, self.states.index("X"), self.states.index("PAD"))
        places = batch.first.cumsum(1) - 1
        tags = batch.tags.gather(1, places.clamp(0, batch.tags.shape[1] - 1)) + self.states.index("O")
        out = torch.where(batch.first, tags, out)
        out[:, 0] = self.states.index("[CLS]")
        last = batch.text.mask.sum(1, keepdim=True) - 1
        return out.scatter(1, last, self.states.index("[SEP]"))

    def _decode(self, batch: TaggedBatch, emissions: Tensor, mask: Tensor) -> list[list[str]]:
        """A tag for every word of the sentences; O for those that were cut, and for states that are no tag."""
        paths = [[self.states[state] for state in path] for path in self.crf.decode(emissions, mask)]
        if self.pooling == "pieces":
            firsts = batch.first.tolist()
            paths = [
                [s for s, is_first in zip(p, f, strict=False) if is_first] for p, f in zip(paths, firsts, strict=True)
            ]
            paths = [[state if state in self.processor.index else "O" for state in path] for path in paths]
        return [tags + ["O"] * (len(words) - len(tags)) for tags, words in zip(paths, batch.words, strict=True)]

    def update_metric(self, batch: TaggedBatch, metric: SpanF1) -> None:
        metric.update(self._decode(batch, *self.scores(batch)), [list(tags) for tags in batch.gold])

    def predict(self, batch: TaggedBatch) -> list[dict[str, Any]]:
        """Spans with their type, their words and the mean marginal probability of their tags."""
        emissions, mask = self.scores(batch)
        marginals = self.crf.marginals(emissions, mask)
        if self.pooling == "pieces":
            marginals, _ = select_words(marginals, batch.first)
        out = []
        for i, tags in enumerate(self._decode(batch, emissions, mask)):
            spans = []
            for kind, start, end in bio_spans(tags):
                certain = [float(marginals[i, w, self.states.index(tags[w])]) for w in range(start, end)]
                words = " ".join(batch.words[i][start:end])
                score = sum(certain) / len(certain)
                spans.append({"type": kind, "start": start, "end": end, "text": words, "score": score})
            out.append({"tokens": list(batch.words[i]), "spans": spans})
        return out
