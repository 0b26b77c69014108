"""Multimodal relation extraction as classification of a pair of mentions."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mkgc.batch import IGNORED
from mkgc.data.dataset import Dataset
from mkgc.heads.pair import Pooling
from mkgc.metrics.relation import RelationF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.relations.processor import PairProcessor, RelationBatch
from mkgc.relations.task import RelationTask
from mkgc.training.optim import Optim
from tasks.mre.matching import MatchingBlanks, match_blanks


class RelationExtraction(RelationTask):
    """Scores every relation for each example.

    ``pooling`` and ``dropout`` are those of :class:`mkgc.heads.pair.PairClassifier`, ``matching`` is a stage before
    training (:mod:`tasks.mre.matching`).
    """

    monitor = "dev/f1"

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: PairProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        pooling: Pooling = "markers",
        dropout: float = 0.0,
        matching: MatchingBlanks | None = None,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata, pooling, dropout)
        self.matching = matching
        self.build_metrics()

    def make_metric(self) -> RelationF1:
        return RelationF1(none=self.null_label)

    def before_fit(self, dataset: Dataset, resumed: bool = False) -> dict[str, Any]:
        """Matching the blanks, if that is asked for."""
        if self.matching is None or self.matching.epochs == 0 or resumed:
            return {}
        return dict(match_blanks(self, dataset, self.matching))

    def states(self, batch: RelationBatch) -> Float[Tensor, "B T D"]:
        scene = {} if batch.scene is None else {"scene": batch.scene}
        states: Float[Tensor, "B T D"] = self.backbone(batch.text, batch.images, **scene).text
        return states

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
