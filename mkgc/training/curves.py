"""How densely a run's curves are drawn, and the rates at which it learned."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

POINTS = 100
"""Points that the curve of the loss has at least, if there are as many steps."""

SPARSEST = 50
"""Steps between two points of it at most."""


def log_interval(steps: int) -> int:
    """Steps between two points of a curve over so many.

    >>> log_interval(30), log_interval(1000), log_interval(10**6)
    (1, 10, 50)
    """
    return min(max(steps // POINTS, 1), SPARSEST)


class Curves(Callback):
    """Draws the learning rates, and as many points as the run is long, unless ``trainer.log_every_n_steps`` says.

    The curve is ``lr``; parameters with a rate of their own (``optim.head_lr``) have theirs in ``lr/head``.
    """

    def __init__(self, every: int | None) -> None:
        self.every = every

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.every is None:
            trainer.log_every_n_steps = log_interval(int(trainer.estimated_stepping_batches))

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and (trainer.global_step + 1) % every == 0:
            pl_module.log_dict(rates(trainer.optimizers, pl_module.optim.lr), rank_zero_only=True)


def rates(optimizers: Any, whole: float) -> dict[str, float]:
    """The rates of this step; ``whole`` is what the schedule makes of the backbone's at its height."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return {"lr" if group.get("initial_lr", whole) == whole else "lr/head": float(group["lr"]) for group in groups}
