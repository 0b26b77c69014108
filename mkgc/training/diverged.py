"""A loss that is not finite: named with its step and batch, and never followed by a checkpoint."""

from __future__ import annotations

from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from mkgc.errors import DivergedError
from mkgc.terminal import say

NEVER = torch.iinfo(torch.int64).max


class Divergence(Callback):
    """Ends a run whose loss or weights are not finite; with ``policy="skip"``, leaves steps out as long as that helps.

    The first batch of an epoch whose loss is not finite is noted on the device that computes it, and looked up after
    each batch on a CPU, but only after every so many on an accelerator, which would have to wait, or under several
    processes, which would have to agree. Before an epoch's checkpoints are written, it and the weights are looked at.

    Skipped are steps whose gradient is not finite: then parameters and moments stay what they were. That takes a look
    at each gradient, for which an accelerator has to wait.
    """

    def __init__(self, policy: Literal["stop", "skip"] = "stop") -> None:
        self.policy = policy
        self.first = torch.tensor(NEVER)
        self.skipped = self.steps = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.on_train_epoch_start(trainer, pl_module)  # which is not called where a run goes on within an epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.first = torch.tensor(NEVER, device=pl_module.device)
        self.skipped = self.steps = 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.policy == "skip":
            return
        bad = ~torch.isfinite(outputs["loss"])
        self.first = torch.minimum(self.first, torch.where(bad, batch_idx, NEVER))
        alone_on_cpu = self.first.device.type == "cpu" and trainer.world_size == 1
        if alone_on_cpu or (batch_idx + 1) % trainer.log_every_n_steps == 0:
            self._stop(trainer)

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Any) -> None:
        if self.policy == "stop":
            return
        self.steps += 1
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not all_finite(gradients):
            self.skipped += 1
            optimizer.zero_grad()  # to None, which an optimiser leaves alone

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.policy == "stop":
            self._stop(trainer)
        elif self.skipped:
            self._report(trainer)
        check_weights(pl_module, f"after epoch {trainer.current_epoch + 1}, at step {trainer.global_step}")

    def _stop(self, trainer: pl.Trainer) -> None:
        first = int(trainer.strategy.reduce(self.first, reduce_op="min"))
        if first != NEVER:
            ahead = trainer.fit_loop.epoch_loop.batch_idx - first
            raise DivergedError(
                f"the loss is not finite at step {trainer.fit_loop.epoch_loop.total_batch_idx - ahead} "
                f"(epoch {trainer.current_epoch + 1}, batch {first})"
            )

    def _report(self, trainer: pl.Trainer) -> None:
        if self.skipped == self.steps:
            raise DivergedError(f"no step of epoch {trainer.current_epoch + 1} had a finite gradient")
        if trainer.is_global_zero:
            say(f"epoch {trainer.current_epoch + 1}: {self.skipped} of {self.steps} steps skipped: gradient not finite")


def check_weights(task: Any, when: str) -> None:
    """Checks that all weights that learn are finite.

    Raises:
        DivergedError: Some are not; names the first.
    """
    weights = {name: parameter.detach() for name, parameter in task.named_parameters() if parameter.requires_grad}
    if not all_finite([*weights.values()]):
        name = next(name for name, value in weights.items() if not all_finite([value]))
        raise DivergedError(f"the weights are not finite {when}, first '{name}'")


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether all numbers are finite: their device is waited for once, and nothing of their size is made."""
    dense = [tensor._values() if tensor.is_sparse else tensor for tensor in tensors]
    extremes = [extreme for tensor in dense if tensor.numel() for extreme in torch.aminmax(tensor)]  # NaN is both
    return not extremes or bool(torch.isfinite(torch.stack(extremes)).all())
