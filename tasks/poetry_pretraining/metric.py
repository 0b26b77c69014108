"""The figures of pretraining on poems: sums over pieces and poems, whatever batches and processes they come in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
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

    def update_words(
        self, losses: Float[Tensor, " K"], scores: Float[Tensor, "K V"], targets: Int[Tensor, " K"]
    ) -> None:
        """Adds hidden pieces with their losses and scores."""
        right = (scores.argmax(-1) == targets).sum()
        self.words = self.words + torch.stack(
            [
                torch.ones_like(losses).sum().double(),
                losses.sum().double(),
                right.double(),
            ]
        )

    def update_space(self, distances: Float[Tensor, " B"]) -> None:
        """Adds poems with the distances of their vectors from the teacher's."""
        self.space = self.space + torch.stack([torch.ones_like(distances).sum(), distances.sum()]).double()

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
