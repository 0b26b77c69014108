"""Multimodal relation extraction as classification of a pair of mentions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mkgc.batch import IGNORED
from mkgc.data.dataset import Dataset
from mkgc.heads.pair import PairClassifier, Pooling
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.relation import RelationF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.training.optim import Optim
from mkgc.training.task import Task
from tasks.mre.data import RelationBatch, RelationProcessor
from tasks.mre.example import RelationExample
from tasks.mre.explained import RelationExplainer
from tasks.mre.matching import MatchingBlanks, match_blanks
from tasks.mre.recorded import describe


class RelationExtraction(Task):
    """Scores every relation for each example.

    ``pooling`` and ``dropout`` are those of :class:`mkgc.heads.pair.PairClassifier`, ``matching`` is a stage before
    training (:mod:`tasks.mre.matching`).
    """

    monitor = "dev/f1"
    rows = Task.rows | {re.compile(r"^head\.classifier\."): ("relation", 1)}
    processor: RelationProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: RelationProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: Pooling = "markers",
        dropout: float = 0.0,
        matching: MatchingBlanks | None = None,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        backbone.text.add_tokens(processor.new_tokens())
        self.head = PairClassifier(backbone.width, len(processor.labels), pooling, dropout)
        self.matching = matching
        self.top_k: int | None = None
        self.build_metrics()

    def make_metric(self) -> RelationF1:
        null = self.processor.null_relation
        return RelationF1(none=None if null is None else self.processor.labels.index(null))

    def before_fit(self, dataset: Dataset, resumed: bool = False) -> dict[str, Any]:
        """Matching the blanks, if that is asked for."""
        if self.matching is None or self.matching.epochs == 0 or resumed:
            return {}
        return dict(match_blanks(self, dataset, self.matching))

    def represent(self, batch: RelationBatch) -> Float[Tensor, "B P"]:
        """The vector of each sentence that is classified."""
        return self.head.pool(self._states(batch), batch.markers, batch.text.mask)

    def _states(self, batch: RelationBatch) -> Float[Tensor, "B T D"]:
        scene = {} if batch.scene is None else {"scene": batch.scene}
        states: Float[Tensor, "B T D"] = self.backbone(batch.text, batch.images, **scene).text
        return states

    def scores(self, batch: RelationBatch) -> Float[Tensor, "B C"]:
        """A score for each relation."""
        return self.head(self._states(batch), batch.markers, batch.text.mask)

    def losses(self, batch: RelationBatch) -> dict[str, Tensor]:
        total = F.cross_entropy(self.scores(batch), batch.labels, ignore_index=IGNORED, reduction="sum")
        return {"relation": total / self.weight(batch).clamp(min=1)}

    def weight(self, batch: RelationBatch) -> Tensor:
        """The number of examples that have a label."""
        return (batch.labels != IGNORED).sum().float()

    def update_metric(self, batch: RelationBatch, metric: RelationF1) -> Float[Tensor, "B C"]:
        scores = self.scores(batch)
        metric.update(scores.argmax(-1), batch.labels)
        return scores

    def record(self, batch: RelationBatch, outcome: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """The probability of each relation."""
        return outcome.float().softmax(-1)

    def describe(self, recorded: Float[Tensor, "B C"], examples: Sequence[RelationExample]) -> list[dict[str, Any]]:
        relations, null = self.processor.labels, self.processor.null_relation
        rows = zip(examples, recorded.tolist(), strict=True)
        return [describe(example, dict(zip(relations, row, strict=True)), null) for example, row in rows]

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the words that each record's head and tail are."""
        answers = super().predict_items(features, store, size)
        return [answer | item.mentions for answer, item in zip(answers, features, strict=True)]

    def predict(self, batch: RelationBatch) -> list[dict[str, Any]]:
        """The relation, its probability, and the probabilities of all, or of the ``top_k`` best from the best on."""
        relations = self.processor.labels
        out = []
        for row in self.scores(batch).float().softmax(-1).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            scores = dict(zip(relations, row, strict=True))
            if self.top_k is not None:
                scores = dict(sorted(scores.items(), key=lambda pair: -pair[1])[: self.top_k])
            out.append({"relation": relations[best], "score": row[best], "scores": scores})
        return out

    def explainer(self) -> RelationExplainer:
        """What it says of sentences for an explanation."""
        return RelationExplainer(self)
