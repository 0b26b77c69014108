"""Makes the batches of one step of the optimiser count as one large batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import Parameter


class LargeBatch:
    """The mean over all batches of a step, accumulated ones and those of other processes, whatever their sizes.

    Each batch's loss is a mean, over examples, answers or weights; a mean of means is another number where batches
    differ in how many they have. Hence losses are summed, and gradients divided by the total when the step is made. A
    step of one batch in one process is left as it is.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None

    def summed(self, loss: Tensor, weight: Tensor, batches: int) -> Tensor:
        """A batch's loss as a share of its step's, which has so many batches; ``weight`` is what it is a mean over."""
        if batches == 1:
            return loss
        weight = weight.detach()
        self._total = weight if self._total is None else self._total + weight
        return loss * weight

    @torch.no_grad()
    def divide(self, parameters: Iterable[Parameter], batches: int, everywhere: Callable[[Tensor], Tensor]) -> None:
        """Turns gradients of the sum into those of the mean, once all batches of the step have given theirs.

        Lightning has divided each loss by the number of batches that are accumulated, and DDP by that of processes;
        ``everywhere`` sums over these.
        """
        if self._total is None:
            return
        total = everywhere(self._total)
        scale = batches / total.clamp(min=torch.finfo(total.dtype).tiny)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(scale)
        self._total = None
