"""Keepers of a run's curves: loggers of Lightning that go on where an interrupted run stopped.

What they raise stops no run (:mod:`mkgc.tracking.guarded`), but what their constructors say of settings.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mkgc.errors import ConfigError
from mkgc.terminal import say
from mkgc.tracking.facts import Facts, flat
from mkgc.tracking.results import Results
from mkgc.tracking.shown import Shown
from mkgc.tracking.text import fenced, listed, tabled
from mkgc.training.run import Run

FOLDER = "curves"

STEP = "trainer/global_step"
"""What Lightning calls the step of a figure in Weights & Biases."""

TIMEOUTS = {"init_timeout": 30, "finish_timeout": 120}
"""Seconds that Weights & Biases is waited for; it would try to upload for days where there is no network."""


class CsvCurves(CSVLogger):
    """``curves/metrics.csv``: the rows of the epochs that an interrupted run has made stay in it."""

    label = "logger=csv"

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

    label = "logger=tensorboard"

    def __init__(self, save_dir: str) -> None:
        if find_spec("tensorboard") is None:
            raise ConfigError("logger=tensorboard writes with TensorBoard: pip install mkgc[tensorboard]")
        super().__init__(save_dir, name="", version=FOLDER, default_hp_metric=False)
        self._step = 0

    def begin(self, run: Run) -> None:
        if run.resumed is None:
            return
        self._step = run.step
        self._kwargs["purge_step"] = run.step + 1
        if run.resumed.resolve() != run.folder.resolve():
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            for events in sorted((run.resumed / FOLDER).glob("events.out.tfevents.*")):
                shutil.copy2(events, self.log_dir)

    def describe(self, facts: Facts) -> None:
        """Puts the settings and facts into TEXT, and into HPARAMS, where runs are compared by them.

        Lightning writes settings there only together with figures, which there are none of yet.
        """
        from torch.utils.tensorboard.summary import hparams

        writer = self.experiment
        writer.add_text("run/settings", fenced(facts.settings), self._step)
        writer.add_text("run/facts", listed(facts.known), self._step)
        figures = {facts.monitor: 0.0, facts.monitor.replace("dev/", "test/"): 0.0}  # names; values are the curves'
        for summary in hparams(flat(facts.settings) | dict(facts.known), figures)[:2]:  # the third says it has ended
            writer._get_file_writer().add_summary(summary)

    def show(self, results: Results) -> None:
        """Puts figures and predictions into TEXT, and pictures of them into IMAGES."""
        from mkgc.tracking.pictures import draw_confusion, draw_sheets

        writer, step = self.experiment, self._step
        writer.add_text("test/figures", listed(flat(results.figures)), step)
        if results.predictions:
            writer.add_text("test/predictions", tabled(results.predictions), step)
        for number, sheet in enumerate(draw_sheets(results.predictions)):
            writer.add_figure(f"test/predictions/{number}", sheet, step)
        if results.confusion is not None:
            writer.add_figure("test/confusion", draw_confusion(results.confusion), step)
        for number, picture in enumerate(results.panels):
            writer.add_image(f"test/explanations/{number}", picture, step, dataformats="HWC")

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._step = max(self._step, step or 0)
        super().log_metrics(metrics, step)

    def end(self, failed: bool) -> None:
        self.finalize("failed" if failed else "success")


class WandbRun(WandbLogger):
    """A run of Weights & Biases for each of ours, under its id, so that one that goes on there goes on here.

    The jobs of a sweep are runs of one group. Where the service cannot be used, because nobody is logged in or it does
    not answer, the run is kept offline, to be uploaded later, and a line says so.
    """

    label = "logger=wandb"

    def __init__(self, save_dir: str, project: str, name: str, offline: bool = True, **options: Any) -> None:
        given = {"group": _sweep(), "settings": TIMEOUTS, **options}
        super().__init__(name, save_dir, offline=offline, project=project, **given)
        self._offline = False  # Lightning would say it by an environment variable, to the next job of a sweep as well
        self._wandb_init.pop("anonymous", None)  # a warning of each run
        if offline:
            self._wandb_init["mode"] = "offline"
        elif os.environ.get("WANDB_MODE", "online") == "online" and getattr(rank_zero_only, "rank", 0) == 0:
            self._check_login()  # now: what it says is heard before data are read

    def _check_login(self) -> None:
        import wandb

        try:
            if wandb.login(prompt=False):
                return
            why = "nobody is logged in (run `wandb login`, or set WANDB_API_KEY)"
        except Exception as error:  # also those of the client's own process
            why = str(error).partition("\n")[0]
        self._stay_offline(why)

    def _stay_offline(self, why: str) -> None:
        self._wandb_init["mode"] = "offline"
        say(
            f"{self.label}: {why}: the run is kept offline, and `wandb sync {self._wandb_init['dir']}/wandb/offline-*` "
            "uploads it later",
            error=True,
        )

    def begin(self, run: Run) -> None:
        self._id = self._wandb_init["id"] = run.id
        Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
        try:
            _ = self.experiment
        except Exception as error:
            if self._wandb_init.get("mode") == "offline":
                raise
            self._stay_offline(str(error).partition("\n")[0])
            _ = self.experiment

    def describe(self, facts: Facts) -> None:
        """Says which way figures are better, so that summaries keep the best; puts the facts beside the settings."""
        self.experiment.define_metric(facts.monitor, step_metric=STEP, summary=f"{facts.mode},last")
        self.experiment.define_metric("train/loss", step_metric=STEP, summary="min,last")
        self.experiment.config.update({"run": dict(facts.known)}, allow_val_change=True)

    def show(self, results: Results) -> None:
        """Puts figures into the summary, predictions into a table, pictures beside it, and what was confused.

        Offline, the client keeps a table's pictures in a folder of the user's, and others with the run.
        """
        import wandb

        from mkgc.tracking.pictures import of_one_size

        run = self.experiment
        run.summary.update({f"figures/{key}": value for key, value in flat(results.figures).items()})
        if results.predictions:
            images = _images(results.predictions)
            table = wandb.Table(columns=["id", "image", "text", "gold", "predicted", "right", "score"])
            for one, image in zip(results.predictions, images, strict=True):
                table.add_data(one.id, image, one.text, one.gold, one.predicted, one.right, one.score)
            run.log({"test/predictions": table})
            if pictures := [image for image in _images(results.predictions) if image is not None]:
                run.log({"test/examples": pictures})
        if results.confusion is not None:
            gold, predicted = zip(*results.confusion.pairs, strict=True)
            names = list(results.confusion.classes)
            plot = wandb.plot.confusion_matrix(y_true=gold, preds=predicted, class_names=names, title="Test confusion")
            run.log({"test/confusion": plot})
        if results.panels:
            run.log({"test/explanations": [wandb.Image(picture) for picture in of_one_size(results.panels)]})

    def end(self, failed: bool) -> None:
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(failed))
            self._experiment = None


def _images(predictions: Sequence[Shown]) -> list[Any]:
    """The first image of each with what was predicted, None where there is none."""
    import wandb

    from mkgc.tracking.pictures import of_one_size, thumbnail

    found = [thumbnail(one.images[0]) if one.images else None for one in predictions]
    sized = iter(of_one_size([pixels for pixels in found if pixels is not None]))
    return [
        None if pixels is None else wandb.Image(next(sized), caption=_caption(one))
        for one, pixels in zip(predictions, found, strict=True)
    ]


def _caption(one: Shown) -> str:
    return f"{one.text}: {one.predicted} {'✓' if one.right else f'✗ ({one.gold})'}"


def _sweep() -> str | None:
    """The folder of the sweep that this is a job of."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return str(HydraConfig.get().sweep.dir)
