"""The figures of pretraining: sums over all that is asked, whatever batches and processes it is asked in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from mkgc.metrics import EmptyMetricError
from tasks.knowledge_pretraining.batch import PretrainingBatch


class PretrainingFigures(Metric):
    """The loss of each objective, a mean over its questions, their weighted sum, and what else an objective says.

    ``objectives`` are modules by their names (:class:`tasks.knowledge_pretraining.objectives.Objective`).

    An objective of which nothing was asked has no figures, and adds nothing to the sum.
    """

    full_state_update = False

    def __init__(self, objectives: Any, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._figures = {name: objective.figures for name, objective in objectives.items()}
        self._weights = dict(weights)
        for name, objective in objectives.items():
            self.add_state(name, torch.zeros(2 + len(objective.sums), dtype=torch.float64), "sum")

    def update(self, objectives: Any, scores: Mapping[str, Tensor], batch: PretrainingBatch) -> None:
        """Adds the scores of a batch."""
        for name, objective in objectives.items():
            counts = [objective.loss(scores[name], batch), *objective.tally(scores[name], batch)]
            sums = torch.stack([count.double() for count in counts])
            asked = torch.full_like(sums[:1], objective.asked(batch))
            setattr(self, name, getattr(self, name) + torch.cat([asked, sums]))

    def compute(self) -> dict[str, float]:
        """The figures of each objective, and ``loss``.

        Raises:
            EmptyMetricError: Nothing was asked.
        """
        figures: dict[str, float] = {}
        total = 0.0
        for name, of in self._figures.items():
            asked, loss, *counts = getattr(self, name).tolist()
            if asked:
                figures |= {f"{name}_loss": loss / asked, **of(loss / asked, asked, counts)}
                total += self._weights[name] * loss / asked
        if not figures:
            raise EmptyMetricError("nothing was asked: the split has no words")
        return {"loss": total} | figures
