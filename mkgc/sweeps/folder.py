"""What lies in a sweep's folder: runs that are finished, that can go on, that are damaged, and those of others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from mkgc.app.sealed import intact
from mkgc.errors import DataError
from mkgc.reports.found import NUMBER, STRANGE
from mkgc.reports.saved import read_run, read_settings
from mkgc.sweeps.digest import settings_digest
from mkgc.training.run import LAST, OUTPUTS, Run


class State(Enum):
    """How far the run in a folder has come."""

    FINISHED = auto()
    UNFINISHED = auto()
    """It can go on from its checkpoint."""
    BEGUN = auto()
    """It has saved nothing."""
    DAMAGED = auto()


@dataclass(frozen=True)
class Found:
    """A run in its folder; its ``digest`` is None where its settings cannot be read."""

    folder: Path
    state: State
    digest: str | None
    figures: dict[str, Any]
    problem: str = ""


def find_runs(folder: Path) -> dict[str, Found]:
    """The runs below a sweep's folder by their place in it."""
    places = {path.parent for name in ("config.yaml", "metrics.json", LAST) for path in _below(folder, name)}
    return {place.relative_to(folder).as_posix(): find_run(place) for place in sorted(places)}


def find_run(place: Path) -> Found:
    """The run that lies in a folder."""
    run = read_run(place, place.parent)
    digest = _digest(place)
    if run.problem is None and run.figures:
        return Found(place, State.FINISHED, digest, run.figures)
    if digest is None:
        return Found(place, State.DAMAGED, None, {}, run.problem or "has no settings")
    if not (place / LAST).is_file():
        # Figures that cannot be read, and nothing to make them again of.
        state = State.BEGUN if run.problem is None else State.DAMAGED
        return Found(place, state, digest, {}, run.problem or "")
    if not intact(place / LAST):
        return Found(place, State.DAMAGED, digest, {}, f"{place / LAST}: is damaged")
    return Found(place, State.UNFINISHED, digest, {}, run.problem or "")


def _digest(place: Path) -> str | None:
    try:
        return settings_digest(read_settings(place / "config.yaml"))
    except DataError:
        return None


def put_aside(place: Path) -> Path | None:
    """Moves a damaged run's files to a folder below its own, which is returned."""
    return Run(place).claim()


def drop_begun(place: Path) -> None:
    """Removes what a run leaves that has not made an epoch: it begins anew."""
    for name in OUTPUTS:
        path = place / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def free_name(name: str, taken: Collection[str]) -> str:
    """A folder's name that is not taken: with the next number in front, or one behind it.

    >>> free_name("0", {"0", "1"}), free_name("1_transe", {"0_rotate", "1_transe"}), free_name("a", {"a"})
    ('2', '2_transe', 'a_2')
    """
    if name not in taken:
        return name
    if number := NUMBER.match(name):
        used = {int(found[0]) for one in taken if (found := NUMBER.match(one))}
        return f"{max(used) + 1}{name[number.end() :]}"
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def _below(folder: Path, name: str) -> Iterator[Path]:
    """The files of a name in the folders of runs: not the sweep's own, nor what was put aside or is hidden."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in STRANGE)
        if name in files and Path(root) != folder:
            yield Path(root) / name
