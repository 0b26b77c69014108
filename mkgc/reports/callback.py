"""The table at the end of a sweep over systems."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from mkgc.errors import MkgcError
from mkgc.reports.console import show
from mkgc.reports.systems import list_systems
from mkgc.reports.writers import write
from mkgc.terminal import say
from mkgc.training.run import write_settings


class SystemsTable(Callback):
    """Shows :func:`mkgc.reports.systems.list_systems` of the sweep when the process ends, and keeps it as table.md.

    A job that failed is a row that says so. (Hydra's own end of a sweep is not reached where a job failed.)
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        atexit.register(show_systems, folder)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if job_return.status == JobStatus.FAILED:
            folder = Path(config.hydra.runtime.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            settings = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
            write_settings(folder, settings)


def show_systems(folder: Path) -> None:
    """Prints the table of a sweep, as far as it got, and writes it into its folder."""
    try:
        tables = list_systems(folder)
    except MkgcError as error:
        say(f"no table: {error}")
        return
    show(tables, Console())
    write(tables, folder / "table.md")
