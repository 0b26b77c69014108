"""Keepers of a run's curves: loggers of Lightning that go on where an interrupted run stopped."""

from __future__ import annotations

import csv
import os
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mkgc.errors import ConfigError
from mkgc.terminal import say
from mkgc.training.run import Run

FOLDER = "curves"


@runtime_checkable
class RunLogger(Protocol):
    """A logger that knows of runs that go on, and that a run's end is its own."""

    def begin(self, run: Run) -> None:
        """Called before anything is logged, in the process that writes."""

    def end(self, failed: bool) -> None:
        """Called when the run has ended, whether it was tested or failed."""


class CsvCurves(CSVLogger):
    """``curves/metrics.csv``: the rows of the epochs that an interrupted run has made stay in it."""

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version=FOLDER)

    def begin(self, run: Run) -> None:
        rows = [] if run.resumed is None else _rows(run.resumed / FOLDER / "metrics.csv", run.epochs)
        writer = self.experiment  # from here on, an earlier file is gone
        if rows:
            writer.metrics_keys = list(rows[0])
            with Path(writer.metrics_file_path).open("w", newline="") as file:
                table = csv.DictWriter(file, writer.metrics_keys)
                table.writeheader()
                table.writerows(rows)

    def end(self, failed: bool) -> None:
        self.save()


def _rows(path: Path, epochs: int) -> list[dict[str, str]]:
    """Those of the first ``epochs``; none where there is no such table, or a damaged one."""
    with suppress(OSError, ValueError, TypeError, KeyError), path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["epoch"]) < epochs]
    return []


class TensorBoardCurves(TensorBoardLogger):
    """Event files in ``curves``: an interrupted run's are copied, and what is beyond its checkpoint is hidden.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, save_dir: str) -> None:
        if find_spec("tensorboard") is None:
            raise ConfigError("logger=tensorboard writes with TensorBoard: pip install mkgc[tensorboard]")
        super().__init__(save_dir, name="", version=FOLDER, default_hp_metric=False)

    def begin(self, run: Run) -> None:
        if run.resumed is None:
            return
        self._kwargs["purge_step"] = run.step + 1
        if run.resumed.resolve() != run.folder.resolve():
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            for events in sorted((run.resumed / FOLDER).glob("events.out.tfevents.*")):
                shutil.copy2(events, self.log_dir)

    def end(self, failed: bool) -> None:
        self.finalize("failed" if failed else "success")


class WandbRun(WandbLogger):
    """A run of Weights & Biases for each of ours, under its id, so that one that goes on there goes on here.

    The jobs of a sweep are runs of one group. What the service refuses is told before data are read.

    Raises:
        ConfigError: It is to stream, and nobody is logged in.
    """

    def __init__(self, save_dir: str, project: str, name: str, offline: bool = True, **options: Any) -> None:
        super().__init__(name, save_dir, offline=offline, project=project, **{"group": _sweep(), **options})
        if (
            not offline
            and os.environ.get("WANDB_MODE", "online") == "online"
            and getattr(rank_zero_only, "rank", 0) == 0
        ):
            _log_in()

    def begin(self, run: Run) -> None:
        import wandb

        self._id = self._wandb_init["id"] = run.id
        Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
        try:
            _ = self.experiment
        except wandb.errors.Error as error:
            raise ConfigError(
                f"logger=wandb: {str(error).splitlines()[0]} (logger.offline=true needs no service)"
            ) from error

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """As ever; what the tracker cannot take is said, and does not end the training."""
        import wandb

        try:
            super().log_metrics(metrics, step)
        except (wandb.errors.Error, OSError) as error:
            say(f"logger=wandb has not kept step {step}: {error}", error=True)

    def end(self, failed: bool) -> None:
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(failed))
            self._experiment = None


def _log_in() -> None:
    import wandb

    try:
        wandb.login()
    except wandb.errors.Error as error:
        raise ConfigError(
            "logger.offline=false streams to Weights & Biases, and nobody is logged in: run `wandb login`, set "
            f"WANDB_API_KEY, or leave logger.offline=true; {str(error).splitlines()[0]}"
        ) from error


def _sweep() -> str | None:
    """The folder of the sweep that this is a job of."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return str(HydraConfig.get().sweep.dir)
