"""Relation extraction: micro precision, recall and F1 over the relations that are one."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torchmetrics import Metric

from mkgc.batch import IGNORED
from mkgc.metrics import EmptyMetricError, precision_recall_f1


class RelationF1(Metric):
    """Micro precision, recall and F1 over all relations but ``none``, and accuracy over all.

    ``none`` is the index of the relation that says there is none; without it every relation counts. By
    convention precision is 0 where no relation was predicted, and recall where there is none to find
    (``support`` is 0).
    """

    full_state_update = False
    true_positives: Tensor
    predicted: Tensor
    gold: Tensor
    accurate: Tensor
    count: Tensor

    def __init__(self, none: int | None = None) -> None:
        super().__init__()
        self.none = none
        for name in ("true_positives", "predicted", "gold", "accurate", "count"):
            self.add_state(name, torch.tensor(0), "sum")

    def update(self, predicted: Int[Tensor, " B"], target: Int[Tensor, " B"]) -> None:
        """Adds a batch of predicted and of right relations, as indices; where ``target`` is -100, none is known."""
        labelled, equal = target != IGNORED, predicted == target
        self.true_positives += (equal & self._counts(target)).sum()
        self.predicted += (labelled & self._counts(predicted)).sum()
        self.gold += (labelled & self._counts(target)).sum()
        self.accurate += equal.sum()
        self.count += labelled.sum()

    def compute(self) -> dict[str, float]:
        """``precision``, ``recall``, ``f1``, ``accuracy``, and ``support``, the number of gold relations.

        Raises:
            EmptyMetricError: There was no example.
        """
        if not self.count:
            raise EmptyMetricError("no relation was scored: the split has no examples")
        measures = precision_recall_f1(int(self.true_positives), int(self.predicted), int(self.gold))
        return measures | {"accuracy": int(self.accurate) / int(self.count), "support": int(self.gold)}

    def _counts(self, relations: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        return torch.ones_like(relations, dtype=torch.bool) if self.none is None else relations != self.none
