"""Multimodal relation extraction as classification of a pair of mentions."""

from __future__ import annotations

import re
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.metrics.relation import RelationF1
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.training.task import Optim, Task
from tasks.mre.data import RelationBatch, RelationProcessor


class RelationExtraction(Task):
    """Scores every relation for each example with one linear layer.

    ``pooling="markers"`` reads the states at both mentions' opening markers, as the released code of MKGformer does;
    ``"cls"`` reads the first token's, as its paper writes it (section 3.3).
    """

    monitor = "dev/f1"
    rows = Task.rows | {re.compile(r"^classifier\."): ("relation", 1)}
    processor: RelationProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: RelationProcessor,
        optim: Optim,
        pooling: Literal["markers", "cls"] = "markers",
    ) -> None:
        super().__init__(backbone, processor, optim)
        if pooling not in ("markers", "cls"):
            raise ConfigError(f"task.model.pooling={pooling}: choose markers or cls")
        self.pooling = pooling
        backbone.text.add_tokens(processor.new_tokens())
        inputs = 2 * backbone.width if pooling == "markers" else backbone.width
        self.classifier = nn.Linear(inputs, len(processor.labels))
        self.build_metrics()

    def make_metric(self) -> RelationF1:
        null = self.processor.null_relation
        return RelationF1(none=None if null is None else self.processor.labels.index(null))

    def logits(self, batch: RelationBatch) -> Float[Tensor, "B C"]:
        """A score for each relation."""
        states = self.backbone(batch.text, batch.images).text
        if self.pooling == "cls":
            return self.classifier(states[:, 0])
        rows = torch.arange(states.shape[0], device=states.device)[:, None]
        return self.classifier(states[rows, batch.markers].flatten(1))

    def loss(self, batch: RelationBatch) -> Tensor:
        return F.cross_entropy(self.logits(batch), batch.labels)

    def weight(self, batch: RelationBatch) -> Tensor:
        """The number of examples."""
        return torch.tensor(float(len(batch.labels)), device=batch.labels.device)

    def update_metric(self, batch: RelationBatch, metric: RelationF1) -> None:
        metric.update(self.logits(batch).argmax(-1), batch.labels)

    def predict(self, batch: RelationBatch) -> list[dict[str, Any]]:
        """The relation, its probability, and the probabilities of all."""
        relations = self.processor.labels
        out = []
        for row in self.logits(batch).float().softmax(-1).tolist():
            best = max(range(len(row)), key=row.__getitem__)
            scores = dict(zip(relations, row, strict=True))
            out.append({"relation": relations[best], "score": row[best], "scores": scores})
        return out
