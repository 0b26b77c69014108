"""The runs below folders, and the jobs of a sweep that never became runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mkgc.errors import DataError
from mkgc.reports.saved import Run, read_run
from mkgc.training.run import FIGURES, REPLACED, STAGES

STRANGE = (REPLACED, STAGES, "wandb")
"""Folders within a run's, in which files of the same names are others'."""

NUMBER = re.compile(r"\d+(?=_|$)")
"""What the folder of a job begins with, also where a name follows (10_vilbert)."""


def run_files(folder: Path) -> list[Path]:
    """The files of runs below a folder that reports are made from."""
    return [path for name in (*FIGURES, "config.yaml") for path in folder.rglob(name)]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """All runs below folders by their path, finished or not; below one folder, names are relative to it.

    Raises:
        DataError: There is none below one of them.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        places = _places(folder)
        if not places:
            raise DataError("no config.yaml below this folder: no run has begun here", folder)
        for place in places:
            one = read_run(place, folder)
            found.setdefault(place.resolve(), one if len(folders) == 1 else one._replace(name=place.as_posix()))
    return [*found.values()]


def _places(folder: Path) -> list[Path]:
    files = (path for name in ("metrics.json", "config.yaml") for path in folder.rglob(name))
    return sorted({path.parent for path in files if not {*STRANGE} & {*path.relative_to(folder).parts}}, key=_natural)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sorts the tenth job of a sweep behind the ninth."""
    numbers = [NUMBER.match(part) for part in path.parts]
    return [
        (number is None, 0 if number is None else int(number[0]), part)
        for number, part in zip(numbers, path.parts, strict=True)
    ]
