"""Relation classification: how two mentions of a sentence are related, and what all sentences of a pair say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.batch import IGNORED
from mkgc.errors import ConfigError
from mkgc.heads.bag import AttentionPooled, Bag, BagPooling, MostCertain, SentenceQueries
from mkgc.heads.pair import Pooling
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.bags import BagF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.relations.example import RelationExample
from mkgc.relations.task import RelationTask
from mkgc.training.optim import Optim
from tasks.relation_classification.data import LinkedBatch, LinkedProcessor
from tasks.relation_classification.example import LinkedRelationExample

Evidence = tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]
"""The scores of relations by sentences, and how much the sentences are attended to for each relation."""


class RelationClassification(RelationTask):
    """Scores every relation for each sentence, and lets the sentences of a bag decide together.

    ``pooling`` and ``dropout`` are those of :class:`mkgc.heads.pair.PairClassifier`. ``bag`` says how the sentences
    about one pair decide: by the surest of them ("max"), or by "attention" (:mod:`mkgc.heads.bag`). With
    ``task.data.bag_size`` above 1, bags are learned from, else each sentence.

    Raises:
        ConfigError: Attention would have nothing to learn from.
    """

    monitor = "dev/f1"
    processor: LinkedProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: LinkedProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: Pooling | Literal["spans"] = "spans",
        dropout: float = 0.1,
        bag: BagPooling = "max",
    ) -> None:
        super().__init__(backbone, processor, optim, metadata, pooling, dropout)
        if bag == "attention" and processor.bag_size == 1:
            raise ConfigError("task.model.bag=attention is learned from bags: give task.data.bag_size above 1")
        classifier = self.head.classifier
        attentive = bag == "attention"
        self.queries = SentenceQueries(classifier.in_features, classifier.out_features) if attentive else None
        self.bag: Bag = AttentionPooled() if attentive else MostCertain(self.null_label)
        self.build_metrics()

    def make_metric(self) -> BagF1:
        return BagF1(self.bag.decide, none=self.null_label)

    def states(self, batch: LinkedBatch) -> Float[Tensor, "B T D"]:
        side = batch.images if batch.knowledge is None else batch.knowledge
        states: Float[Tensor, "B T D"] = self.backbone(batch.text, side).text
        return states

    def places(self, batch: LinkedBatch) -> Int[Tensor, "B 2 *E"]:
        """Where both mentions are read: at their opening markers, or all over their spans."""
        assert batch.spans is not None
        return batch.spans if self.head.pooling == "spans" else batch.markers

    def evidence(self, batch: LinkedBatch) -> Evidence:
        """The scores of relations by sentences, and, if sentences of bags are attended to, how much."""
        vectors = self.represent(batch)
        scores = self.head.classify(vectors)
        return scores, torch.zeros_like(scores) if self.queries is None else self.queries(vectors)

    def losses(self, batch: LinkedBatch) -> dict[str, Tensor]:
        """The cross-entropy of the relations of the batch's items, sentences or bags of such."""
        assert batch.members is not None
        assert batch.relations is not None
        scores = self.bag.learned(*self.evidence(batch), batch.members, batch.relations)
        total = F.cross_entropy(scores, batch.relations, ignore_index=IGNORED, reduction="sum")
        return {"relation": total / self.weight(batch).clamp(min=1)}

    def weight(self, batch: LinkedBatch) -> Tensor:
        """The number of items that have a label."""
        assert batch.relations is not None
        return (batch.relations != IGNORED).sum().float()

    def update_metric(self, batch: LinkedBatch, metric: BagF1) -> Float[Tensor, "B C"]:
        assert batch.bags is not None
        scores, attention = self.evidence(batch)
        metric.update(scores, batch.labels, batch.bags, attention)
        return scores

    def describe(self, recorded: Float[Tensor, "B C"], examples: Sequence[RelationExample]) -> list[dict[str, Any]]:
        """The same with the bag of each sentence."""
        lines = super().describe(recorded, examples)
        return [line | _bag(example) for line, example in zip(lines, examples, strict=True)]

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the entities that are mentioned, where a graph is read."""
        answers = super().predict_items(features, store, size)
        if self.processor.knowledge is None:
            return answers
        return [answer | {"entities": [*item.linked]} for answer, item in zip(answers, features, strict=True)]


def _bag(example: RelationExample) -> dict[str, str]:
    assert isinstance(example, LinkedRelationExample)
    return {"bag": example.bag}
