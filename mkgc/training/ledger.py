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

    @property
    def seconds(self) -> float:
        """How long the run has taken, without the time between interruption and resumption."""
        return self._earlier + time.perf_counter() - self._began

    def on_validation_epoch_end(self, trainer: Any, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            pl_module.log("train/seconds", self.seconds, rank_zero_only=True)

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["run"] = {"id": self.run.id, "seconds": self.seconds, "before": self.before}

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self.before, self._earlier = checkpoint["run"]["before"], checkpoint["run"]["seconds"]
