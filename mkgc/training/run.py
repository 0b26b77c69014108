"""A run's identity and its folder: what lies there belongs to one run, however often it was interrupted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mkgc.app.files import write_whole
from mkgc.errors import ConfigError

BEST, LAST = "best.ckpt", "last.ckpt"
"""The checkpoints of a run: what it is used by, and what it goes on from."""

LOG = "train.log"
"""What a run said of each epoch; one that goes on appends to it."""

AUTO = "auto"
"""``resume=auto``: go on from what lies in the run's own folder, or begin."""

QUERIES, PREDICTIONS = "queries.npz", "predictions.jsonl"
"""What a test leaves of each example: of a task that ranks entities, and of any other."""

FIGURES = ("metrics.json", QUERIES, PREDICTIONS)
"""The files that a run leaves when it has been tested."""

ERRORS = "errors.html"
"""The page of a run's errors that `mkgc.report` leaves."""

FAILED = "failed.txt"
"""Why a job of a sweep has failed, in a line."""

OUTPUTS = (*FIGURES, ERRORS, BEST, LAST, "curves", "wandb", LOG, FAILED, "config.yaml")
"""All that a run leaves, or a report of it; its settings come last, so that figures never lie beside another run's."""

REPLACED = ".replaced"
"""The folder, within a run's, to which what an earlier run left is moved."""

STAGES = "stages"
"""The folder, within a run's, of the runs of its earlier stages, by their numbers."""


AGAIN = """\
# The settings of a run. To run it once more: python -m mkgc.train --config-dir DIR --config-name config
# (DIR is this folder; keys behind it change settings)
defaults: [runs, _self_]

"""
"""The head of ``config.yaml``: it makes a configuration of the command of the settings (`conf/runs.yaml`)."""


def checkpoint_file(place: Path | str, name: str = BEST) -> Path:
    """The checkpoint that a path names: the file itself, or that of a run whose folder it is."""
    return Path(place) / name if Path(place).is_dir() else Path(place)


def run_folder(place: Path | str) -> Path:
    """The folder of a run that a path names: the folder itself, or that of one of its checkpoints."""
    return Path(place).parent if Path(place).is_file() else Path(place)


def resumed_from(resume: str | None, folder: Path) -> str | None:
    """The ``last.ckpt`` that ``resume=`` names for a run in ``folder``; None for a run that begins.

    A run that has ended without one, as stage 1 alone does, has nothing to go on with.
    """
    if resume == AUTO:
        return str(folder / LAST) if (folder / LAST).is_file() else None
    return None if resume is None else str(checkpoint_file(resume, LAST))


def check_free(folder: Path, resumed: str | None, overwrite: bool) -> None:
    """Checks that no run is lost by one in the folder.

    Raises:
        ConfigError: It holds another run, finished or not.
    """
    if overwrite or (resumed is not None and Path(resumed).parent.resolve() == folder.resolve()):
        return
    for name, kind in (("metrics.json", "a finished"), (LAST, "an unfinished")):
        if (folder / name).exists():
            raise ConfigError(
                f"{folder} holds {kind} run: give resume=auto to go on with it, overwrite=true to take its place "
                f"(its files are put into {REPLACED} there), or another folder"
            )


def write_settings(folder: Path, config: DictConfig) -> None:
    """Writes ``config.yaml``, from which a run can be run again: with its references, so that keys can be changed."""
    write_whole(folder / "config.yaml", AGAIN + OmegaConf.to_yaml(config))


@dataclass(frozen=True)
class Run:
    """A run in its ``folder``; one that was interrupted goes on from ``resumed``, where it had made ``epochs``."""

    folder: Path
    resumed: Path | None = None
    epochs: int = 0
    step: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @classmethod
    def going_on(cls, folder: Path, checkpoint: Path, contents: Mapping[str, Any]) -> Run:
        """The run that a ``last.ckpt`` is of."""
        return cls(folder, checkpoint.parent, contents["epoch"] + 1, contents["global_step"], contents["run"]["id"])

    def claim(self) -> Path | None:
        """Makes the folder this run's own.

        Figures of an interrupted run are removed, since they are to be found anew, and why it failed; what another run
        has left is moved to a folder below, which is returned.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.resumed is not None and self.resumed.resolve() == self.folder.resolve():
            for name in (*FIGURES, ERRORS, FAILED):
                (self.folder / name).unlink(missing_ok=True)
            return None
        found = [self.folder / name for name in OUTPUTS if (self.folder / name).exists()]
        if not found:
            return None
        aside = self._aside()
        for path in found:
            path.rename(aside / path.name)
        return aside

    def _aside(self) -> Path:
        below = self.folder / REPLACED
        below.mkdir(exist_ok=True)
        aside = below / str(1 + max((int(path.name) for path in below.iterdir() if path.name.isdecimal()), default=0))
        aside.mkdir()
        return aside
