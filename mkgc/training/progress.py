"""What a run says while it trains: a line an epoch, in ``train.log`` and, where no bar is shown, in the output."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.callbacks import Callback
from rich.console import Console

from mkgc.terminal import say
from mkgc.training.log import RunLog

COUNTS = ("count", "support")
"""Figures of a split that say how much was scored, not how well."""


def shows_bar() -> bool:
    """Whether the output can show a bar that moves."""
    console = Console()
    return console.is_terminal or console.is_jupyter


class EpochLines(Callback):
    """Says how each epoch went: the loss, dev's figures, examples a second, and the time that is left.

    The loss is the mean over the epoch's batches. The time left reckons with all epochs, of which patience may spare
    some. Examples a second are those of training alone, and a curve as well, ``train/examples_per_second``.
    """

    def __init__(self, folder: Path, printed: bool) -> None:
        self._log, self._printed = RunLog(folder), printed
        self._began = self._epoch_began = self._trained = 0.0
        self._first_step = self._batches = 0
        self._loss: Any = 0.0
        self._dev = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._began, self._first_step = time.perf_counter(), trainer.global_step
        self.on_train_epoch_start(trainer, pl_module)  # which is not called where a run goes on within an epoch

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._epoch_began, self._trained = time.perf_counter(), 0.0
        self._loss, self._batches, self._dev = 0.0, 0, False

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self._loss = self._loss + trainer.callback_metrics["train/loss"]  # on its device, which is not waited for
        self._batches += 1

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._trained = self._trained or time.perf_counter() - self._epoch_began

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._dev = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        seconds = self._trained or time.perf_counter() - self._epoch_began
        loader: Any = trainer.train_dataloader
        rate = self._batches * len(loader.dataset) / len(loader) / seconds  # of all processes together
        pl_module.log("train/examples_per_second", rate, rank_zero_only=True)
        if not trainer.is_global_zero:
            return
        said = [f"loss {float(self._loss) / max(self._batches, 1):.4f}", *self._figures(trainer, pl_module.monitor)]
        left = self._left(trainer)
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: {', '.join(said)}; {rate:,.0f} examples/s"
        line += f", {shown(left)} left" if left else ""
        self._log.write(line)
        if self._printed:
            say(_job() + line)

    def _figures(self, trainer: Any, monitor: str) -> list[str]:
        """Dev's figures of everything together, the one that is monitored first; none where dev was not scored."""
        found = {key: float(value) for key, value in trainer.callback_metrics.items() if self._dev}
        names = {key: key.removeprefix("dev/") for key in found if key.startswith("dev/")}
        whole = [key for key, name in names.items() if "/" not in name and name not in COUNTS]
        whole.sort(key=lambda key: key != monitor)
        return [f"{'dev ' if i == 0 else ''}{names[key]} {_number(found[key])}" for i, key in enumerate(whole)]

    def _left(self, trainer: Any) -> float:
        """Seconds until the last step, as fast as this process has made its steps and scored dev."""
        made = trainer.global_step - self._first_step
        left = float(trainer.estimated_stepping_batches) - trainer.global_step
        return (time.perf_counter() - self._began) / made * left if made else 0.0


def shown(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    >>> shown(7.4), shown(62.0), shown(3723.0)
    ('0:07', '1:02', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def _job() -> str:
    """The job of a sweep whose line it is; jobs may run side by side."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return ""
    return f"job {HydraConfig.get().sweep.subdir}, "
