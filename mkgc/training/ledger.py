"""The state of a run that checkpoints hold beside its weights."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from mkgc.training.run import Run


class Ledger(Callback):
    """Its id, the figures of what preceded training and the seconds it has taken, so that it goes on as the same."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.before: dict[str, Any] = {}
        self._began, self._earlier = time.perf_counter(), 0.0
        self._first_step, self._earlier_steps = self._began, 0.0

    @property
    def seconds(self) -> float:
        """How long the run has taken, without the time between interruption and resumption."""
        return self._earlier + time.perf_counter() - self._began

    @property
    def _training(self) -> float:
        """How long its epochs have taken, without reading and what precedes them."""
        return self._earlier_steps + time.perf_counter() - self._first_step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first_step = time.perf_counter()

    def on_validation_epoch_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            pl_module.log("train/seconds", self._training, rank_zero_only=True)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        times = {"seconds": self.seconds, "training": self._training}
        checkpoint["run"] = {"id": self.run.id, "before": self.before, **times}

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self.before, self._earlier = checkpoint["run"]["before"], checkpoint["run"]["seconds"]
        self._earlier_steps = checkpoint["run"].get("training", 0.0)  # which earlier versions did not keep
