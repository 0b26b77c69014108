"""The probability from which a type is predicted."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

STEPS = tuple(step / 20 for step in range(1, 20))
"""The thresholds that are compared: finer ones fit dev, and nothing else."""


def best_threshold(probabilities: Float[Tensor, "n C"], types: Bool[Tensor, "n C"]) -> float:
    """The threshold with the highest micro-F1, where the likeliest type is always predicted; the lowest of equal ones.

    >>> best_threshold(torch.tensor([[0.9, 0.4], [0.2, 0.3]]), torch.tensor([[True, True], [False, True]]))
    0.25
    """
    likeliest = torch.nn.functional.one_hot(probabilities.argmax(-1), types.shape[1]).bool()

    def f1(threshold: float) -> float:
        predicted = likeliest | (probabilities >= threshold)
        return 2 * int((predicted & types).sum()) / max(1, int(predicted.sum() + types.sum()))

    return max(STEPS, key=f1)
