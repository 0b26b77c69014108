"""The figures of pretraining on poems: sums over pieces and poems, whatever batches and processes they come in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

from mkgc.metrics import EmptyMetricError

LARGEST = 700.0
"""The natural logarithm of the largest perplexity that is told."""


class PoemFigures(Metric):
    """The mean loss of hidden pieces with accuracy and perplexity, the mean distance from the teacher, and their sum.

    The sum is weighted, and what has no weight has no figures.
    """

    full_state_update = False
    words: Tensor
    space: Tensor

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._weights = dict(weights)
        for name, size in (("words", 3), ("space", 2)):
            self.add_state(name, torch.zeros(size, dtype=torch.float64), "sum")

    def update(self, losses: Mapping[str, Tensor], right: Bool[Tensor, " K"]) -> None:
        """Adds the losses of hidden pieces (``words``), of which some were ``right``, and of poems (``space``)."""
        if "words" in losses:
            self.words = self.words + torch.stack([*_counted(losses["words"]), right.double().sum()])
        if "space" in losses:
            self.space = self.space + torch.stack(_counted(losses["space"]))

    def compute(self) -> dict[str, float]:
        """The figures, ``loss`` first.

        Raises:
            EmptyMetricError: Nothing was asked.
        """
        figures: dict[str, float] = {}
        pieces, loss, right = self.words.tolist()
        poems, distance = self.space.tolist()
        if pieces:
            figures |= {"words_loss": loss / pieces, "word_accuracy": right / pieces}
            figures["perplexity"] = math.exp(min(loss / pieces, LARGEST))
        if poems:
            figures["space_loss"] = distance / poems
        if not figures:
            raise EmptyMetricError("nothing was asked: the split has no poems")
        total = sum(weight * figures.get(f"{name}_loss", 0.0) for name, weight in self._weights.items())
        return {"loss": total} | figures


def _counted(losses: Float[Tensor, " n"]) -> list[Tensor]:
    """How many there are, and their sum."""
    return [torch.ones_like(losses, dtype=torch.float64).sum(), losses.double().sum()]
