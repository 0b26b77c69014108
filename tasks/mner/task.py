"""Multimodal named entity recognition: a tag per word, decoded by a CRF."""

from __future__ import annotations

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.backbone import Backbone
from mkgc.metrics.spans import SpanF1, bio_spans
from mkgc.nn.crf import Crf, select_words
from mkgc.task import Optim, Task
from tasks.mner.data import TaggedBatch, TaggingCodec


class EntityRecognition(Task):
    """Emissions from the state of each word's first piece; the CRF knows which tags may follow which.

    Source: MKGformer (Chen et al., 2022), section 3.3.
    """

    monitor = "dev/f1"
    codec: TaggingCodec

    def __init__(self, backbone: Backbone, codec: TaggingCodec, optim: Optim, dropout: float = 0.1) -> None:
        super().__init__(backbone, codec, optim)
        self.dropout = nn.Dropout(dropout)
        self.emit = nn.Linear(backbone.width, len(codec.tags))
        self.crf = Crf(codec.tags)
        self.build_metrics()

    def make_metric(self) -> SpanF1:
        return SpanF1(self.codec.types)

    def emissions(self, batch: TaggedBatch) -> tuple[Float[Tensor, "B W C"], Bool[Tensor, "B W"]]:
        """A score per word and tag, and the mask of the words."""
        words, mask = select_words(self.backbone(batch.text, batch.images).text, batch.first)
        return self.emit(self.dropout(words)), mask

    def loss(self, batch: TaggedBatch) -> Tensor:
        emissions, mask = self.emissions(batch)
        return self.crf(emissions, batch.tags, mask)

    def _decode(self, batch: TaggedBatch, emissions: Tensor, mask: Tensor) -> list[list[str]]:
        """A tag for every word of the sentences, O for those that were cut."""
        paths = self.crf.decode(emissions, mask)
        named = [[self.codec.tags[tag] for tag in path] for path in paths]
        return [tags + ["O"] * (len(words) - len(tags)) for tags, words in zip(named, batch.words, strict=True)]

    def score(self, batch: TaggedBatch, metric: SpanF1) -> None:
        metric.update(self._decode(batch, *self.emissions(batch)), [list(tags) for tags in batch.gold])

    def predict(self, batch: TaggedBatch) -> list[dict[str, Any]]:
        """Spans with their type, their words and the mean marginal probability of their tags."""
        emissions, mask = self.emissions(batch)
        marginals = self.crf.marginals(emissions, mask)
        out = []
        for i, tags in enumerate(self._decode(batch, emissions, mask)):
            spans = []
            for kind, start, end in bio_spans(tags):
                certain = [float(marginals[i, w, self.codec.index[tags[w]]]) for w in range(start, end)]
                words = " ".join(batch.words[i][start:end])
                score = sum(certain) / len(certain)
                spans.append({"type": kind, "start": start, "end": end, "text": words, "score": score})
            out.append({"tokens": list(batch.words[i]), "spans": spans})
        return out
