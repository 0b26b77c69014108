"""The table and the plots at the end of a sweep."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mkgc.app.endings import at_end
from mkgc.app.files import write_whole
from mkgc.errors import DataError, MkgcError
from mkgc.terminal import say
from mkgc.training.run import FAILED, write_settings

if TYPE_CHECKING:
    from mkgc.reports.saved import Run


class SweepReport(Callback):
    """Shows the table of a sweep when the command ends, however it does, and leaves it in the sweep's folder.

    ``intervals`` are those of :func:`mkgc.reports.runs.list_runs` over test examples. A job that failed leaves its
    settings and why, in whatever process it ran. One job alone has its last line, and no table.
    """

    def __init__(self, intervals: bool = False) -> None:
        self.intervals = intervals

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        at_end(partial(report_sweep, Path(config.hydra.sweep.dir), self.intervals))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if job_return.status != JobStatus.FAILED or config.hydra.mode != RunMode.MULTIRUN:
            return
        folder = Path(config.hydra.runtime.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.yaml").exists():  # it failed before the folder became its own
            settings = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
            write_settings(folder, settings)
        write_whole(folder / FAILED, f"{job_return._return_value}\n")


def report_sweep(folder: Path, intervals: bool = False) -> None:
    """Prints the table of a sweep, as far as it got, and leaves it in its folder with its plots; nothing of one run."""
    from mkgc.reports.found import read_runs
    from mkgc.reports.planned import unbegun

    try:
        runs = read_runs([folder])
    except DataError:  # no job has begun, and why has been said
        return
    missing = unbegun([folder], runs)
    if len(runs) + len(missing) > 1:
        try:
            _report(folder, runs, missing, intervals)
        except MkgcError as error:
            say(f"no table: {error}", error=True)


def _report(folder: Path, runs: list[Run], missing: list[str], intervals: bool) -> None:
    from rich.console import Console

    from mkgc.reports.console import show
    from mkgc.reports.evidence import Statistics
    from mkgc.reports.plots import draw
    from mkgc.reports.runs import list_runs
    from mkgc.reports.writers import write

    tables = list_runs(runs, Statistics(intervals), missing)
    show(tables, Console())
    for form in ("md", "tex", "csv"):
        write(tables, folder / f"table.{form}")
    draw(runs, folder / "plots")
    say(f"the table and plots lie in {folder}")
