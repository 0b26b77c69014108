"""The runs below a folder, and a table of what they reached.

Runs with equal settings but the seed are one row: mean ± standard deviation (of a sample) over the seeds.
"""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mkgc.errors import DataError
from mkgc.reports.tables import Cell, Spread, Table
from mkgc.training.run import REPLACED

SIZES = ("count", "support")  # figures that say how much was scored, not how well
ONE_RUN = ("seed", "resume", "run")  # keys in which repetitions of a run differ


class Run(NamedTuple):
    """A run: where it lies, in short below the folder asked for, its settings, and its figures, if it has finished."""

    name: str
    folder: Path
    config: DictConfig
    figures: dict[str, Any]

    def repeats(self) -> str:
        """Equal for runs that are repetitions of one another."""
        plain: Any = OmegaConf.to_container(self.config)
        return json.dumps(plain | dict.fromkeys(ONE_RUN), sort_keys=True)

    def setting(self, key: str) -> Any:
        """The value at a dotted key, None where there is none."""
        return OmegaConf.select(self.config, key)


def run_files(folder: Path) -> list[Path]:
    """The files of runs below a folder that reports are made from."""
    return [path for name in ("metrics.json", "config.yaml", "queries.npz") for path in folder.rglob(name)]


def read_runs(folder: Path) -> list[Run]:
    """All runs that have finished below a folder, by their path.

    Raises:
        DataError: There is none, or one is damaged.
    """
    found = [one for one in _all(folder, "metrics.json") if one.figures]
    if not found:
        raise DataError("no metrics.json below this folder: no run has ended here", folder)
    return found


def read_jobs(folder: Path) -> list[Run]:
    """All runs below a folder by their path, with those that have settings but no figures.

    Raises:
        DataError: There is none, or one is damaged.
    """
    found = _all(folder, "metrics.json", "config.yaml")
    if not found:
        raise DataError("no config.yaml below this folder: no run has begun here", folder)
    return found


def _all(folder: Path, *names: str) -> list[Run]:
    """The runs that have left one of these files, by path, without those replaced by a later run in their folder."""
    files = [path for name in names for path in folder.rglob(name)]
    folders = {path.parent for path in files if REPLACED not in path.relative_to(folder).parts}
    return [_read_run(each, folder) for each in sorted(folders, key=_natural)]


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sorts the tenth job of a sweep behind the ninth, also where a name follows the number (10_vilbert)."""
    numbers = [re.match(r"\d+(?=_|$)", part) for part in path.parts]
    return [
        (number is None, 0 if number is None else int(number[0]), part)
        for number, part in zip(numbers, path.parts, strict=True)
    ]


def _read_run(place: Path, folder: Path) -> Run:
    """The run in a folder; figures of another run than the one whose settings lie there are none of its own."""
    path = place / "metrics.json"
    figures = _figures(path) if path.exists() else {}
    settings = _settings(place / "config.yaml")
    own = figures.get("run") == settings.get("run")
    return Run(place.relative_to(folder).as_posix(), place, settings, figures if own else {})


def _figures(path: Path) -> dict[str, Any]:
    try:
        figures = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("is no JSON: not the figures of a run", path) from error
    if not isinstance(figures, dict) or not isinstance(figures.get("test"), dict):
        raise DataError("has no figures under 'test': not those of a run", path)
    return figures


def _settings(path: Path) -> DictConfig:
    try:
        return DictConfig(OmegaConf.load(path))
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise DataError("cannot be read: a run's folder has its settings beside metrics.json", path) from error


def grouped(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, those together that repeat one another."""
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(one.repeats(), []).append(one)
    return [*groups.values()]


def list_runs(runs: Iterable[Run]) -> Table:
    """A row for each group of runs with equal settings but the seed.

    Where some of the queries they ranked leak, the next row is of the others, the clean subset. That takes the record
    of the queries: without one, or with one of an earlier form, there is no such row.
    """
    rows = [row for group in grouped(runs) for row in _rows(group)]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table("Test scores", columns, [tuple(row.get(name) for name in columns) for row in rows])


def _rows(group: list[Run]) -> list[dict[str, Cell]]:
    first = group[0]
    named: dict[str, Cell] = {
        "run": common(group),
        "task": str(first.figures.get("task", "")),
        "seed": ", ".join(str(one.figures.get("seed", "")) for one in group),
        "backbone": system(first),
    }
    names = _measures(first)
    rows = [named | _spreads([one.figures["test"] for one in group], names)]
    clean = [_clean(one) for one in group]
    if all(clean):
        rows.append(named | {"run": f"{named['run']}, clean subset"} | _spreads(clean, names))
    return rows


def _clean(one: Run) -> dict[str, float]:
    """The measures on the clean subset, none if it is everything, or nothing, or not recorded."""
    if not (one.folder / "queries.npz").exists():
        return {}
    from mkgc.metrics.queries import Queries

    try:
        queries = Queries.load(one.folder / "queries.npz")
    except DataError:
        return {}
    return queries.measures(queries.clean) if queries.leaks else {}


def common(runs: list[Run]) -> str:
    """The one run's name, or what several begin with and how many they are."""
    names = [one.name for one in runs]
    if len(names) == 1:
        return names[0]
    return f"{os.path.commonpath(names) or '.'} ({len(names)} runs)"


def system(one: Run) -> str:
    """What the run's settings call it, or else its backbone.

    That is the class in a word; of a backbone that fuses, its fusion and what of it is switched off.
    """
    if one.setting("system") is not None:
        return str(one.setting("system"))
    if one.setting("backbone.text") is None:
        return _class(one, "backbone")
    fusion = one.setting("backbone.fusion")
    if fusion is None:
        return "text only"
    off = [f" without {key}" for key, value in fusion.items() if value is False]
    return _class(one, "backbone.fusion") + ",".join(off)


def _class(one: Run, key: str) -> str:
    return (one.setting(f"{key}._target_") or "").rpartition(".")[2]


def _measures(one: Run) -> list[str]:
    """The test measures of everything together, the task's own first."""
    names = [name for name in one.figures["test"] if "/" not in name and name not in SIZES]
    return sorted(names, key=lambda name: name != one.setting("task.metric"))


def _spreads(figures: list[dict[str, float]], names: list[str]) -> dict[str, Cell]:
    return {name: _spread([one.get(name) for one in figures]) for name in names}


def _spread(values: list[float | None]) -> Cell:
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return there[0] if there else None
    return Spread(statistics.fmean(there), statistics.stdev(there))
