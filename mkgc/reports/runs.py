"""The runs below a folder, and a table of what they reached.

Runs with equal settings but the seed are one row: mean ± standard deviation (of a sample) over the seeds.
"""

from __future__ import annotations

import math
import os
import re
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkgc.errors import DataError
from mkgc.reports.saved import Run, read_run
from mkgc.reports.table import Cell, Spread, Table
from mkgc.reports.varied import varied
from mkgc.training.run import REPLACED

SIZES = ("count", "support")  # figures that say how much was scored, not how well


def run_files(folder: Path) -> list[Path]:
    """The files of runs below a folder that reports are made from."""
    return [path for name in ("metrics.json", "config.yaml", "queries.npz") for path in folder.rglob(name)]


def _below(folder: Path, name: str) -> list[Path]:
    """The files of a name in all runs below a folder, but for those whose folder another run has taken."""
    return [path for path in folder.rglob(name) if REPLACED not in path.relative_to(folder).parts]


def read_runs(folder: Path) -> list[Run]:
    """All runs that have finished below a folder, by their path.

    Raises:
        DataError: There is none.
    """
    found = [read_run(path.parent, folder) for path in sorted(_below(folder, "metrics.json"), key=_natural)]
    if not found:
        raise DataError("no metrics.json below this folder: no run has ended here", folder)
    return found


def read_jobs(folder: Path) -> list[Run]:
    """All runs below a folder by their path, with those that have settings but no figures.

    Raises:
        DataError: There is none.
    """
    places = {path.parent for name in ("metrics.json", "config.yaml") for path in _below(folder, name)}
    if not places:
        raise DataError("no config.yaml below this folder: no run has begun here", folder)
    return [read_run(place, folder) for place in sorted(places, key=_natural)]


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """Sorts the tenth job of a sweep behind the ninth, also where a name follows the number (10_vilbert)."""
    numbers = [re.match(r"\d+(?=_|$)", part) for part in path.parts]
    return [
        (number is None, 0 if number is None else int(number[0]), part)
        for number, part in zip(numbers, path.parts, strict=True)
    ]


def grouped(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs, those together that repeat one another."""
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(one.repeats(), []).append(one)
    return [*groups.values()]


def list_runs(runs: Iterable[Run]) -> Table:
    """A row for each group of runs with equal settings but the seed; what the runs of one folder vary is told.

    Where some of the queries they ranked leak, the next row is of the others, the clean subset. That takes the record
    of the queries: without one, or with one of an earlier form, there is no such row. A damaged run is a row that says
    what is wrong with it.
    """
    groups = grouped(runs)
    firsts = [group[0] for group in groups]
    told = varied(firsts, [f"{one.setting('task.name')} {system(one)}" for one in firsts])
    rows = [row for group in groups for row in _rows(group, told.get(group[0].name))]
    columns = dict.fromkeys(name for row in rows for name in row)
    columns |= {"problem": columns.pop("problem")} if "problem" in columns else {}
    return Table("Test scores", tuple(columns), [tuple(row.get(name) for name in columns) for row in rows])


def _rows(group: list[Run], settings: str | None) -> list[dict[str, Cell]]:
    first = group[0]
    named: dict[str, Cell] = {
        "run": common(group),
        "task": _shortened(first.figures.get("task", "")),
        "seed": ", ".join(_shortened(one.figures.get("seed", "")) for one in group),
        "backbone": system(first),
    }
    if settings is not None:
        named["settings"] = settings
    if first.problem is not None:
        return [named | {"problem": first.problem}]
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
    from mkgc.analysis.queries import Queries

    try:
        queries = Queries.load(one.folder / "queries.npz")
    except DataError:
        return {}
    return queries.metrics(queries.clean) if queries.leaks else {}


def common(runs: list[Run]) -> str:
    """The one run's name, or what several begin with and how many they are."""
    names = [one.name for one in runs]
    if len(names) == 1:
        return names[0]
    return f"{os.path.commonpath(names) or '.'} ({len(names)} runs)"


def system(one: Run) -> str:
    """The run's name in its settings, or else its backbone.

    That is the class in a word; of a backbone that fuses, its fusion and what of it is switched off. A smoke run is
    called one.
    """
    return f"{_system(one)} (smoke run)" if one.setting("smoke") is True else _system(one)


def _system(one: Run) -> str:
    if one.setting("system") is not None:
        return str(one.setting("system"))
    if one.setting("backbone.text") is None:
        return _class(one, "backbone")
    fusion = one.setting("backbone.fusion")
    if not isinstance(fusion, dict):
        return "text only"
    off = [f" without {key}" for key, value in fusion.items() if value is False]
    return _class(one, "backbone.fusion") + ",".join(off)


def _class(one: Run, key: str) -> str:
    return str(one.setting(f"{key}._target_") or "").rpartition(".")[2]


def _measures(one: Run) -> list[str]:
    """The test measures of everything together, the task's own first."""
    names = [name for name in one.figures["test"] if "/" not in name and name not in SIZES]
    return sorted(names, key=lambda name: name != one.figures.get("metric"))


def _spreads(figures: list[dict[str, float]], names: list[str]) -> dict[str, Cell]:
    return {name: _spread([one.get(name) for one in figures]) for name in names}


def _shortened(value: Any) -> str:
    return f"{value!s:.40}"


def _spread(values: list[float | None]) -> Cell:
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return there[0] if there else None
    if not all(map(math.isfinite, there)):
        return Spread(math.nan, math.nan)
    return Spread(statistics.fmean(there), statistics.stdev(there))
