"""`python -m mkgc.report runs=DIR` or `compare=[A,B]`: what runs reached, and whether two of them differ.

Runs with equal settings but the seed are one row: mean ± standard deviation (of a sample) over the seeds.
"""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import hydra
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mkgc.command import reported, require_one, run
from mkgc.errors import ConfigError, DataError

if TYPE_CHECKING:
    from mkgc.metrics.ranking import Queries

SIZES = ("count", "support")
"""Figures that say how much was scored, not how well."""

ONE_RUN = ("seed", "resume")
"""Keys in which repetitions of a run differ."""

MOST = 10
"""Relations that a comparison names."""


class Spread(NamedTuple):
    """A figure over several seeds; ``sd`` is of a sample."""

    mean: float
    sd: float


Cell = str | int | float | tuple[float, ...] | None
"""A tuple is a Spread, or an Interval; None is a cell where nothing applies."""


@dataclass(frozen=True)
class Table:
    """Rows by the names of their columns; a column may be missing from a row."""

    title: str
    rows: list[dict[str, Cell]]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True)
class Run:
    """A finished run: where it lies below the folder asked for, its settings, and its figures."""

    name: str
    config: dict[str, Any]
    figures: dict[str, Any]

    @property
    def settings(self) -> str:
        """Equal for runs that are repetitions of one another."""
        return json.dumps({k: v for k, v in self.config.items() if k not in ONE_RUN}, sort_keys=True)


def read_runs(folder: Path) -> list[Run]:
    """All runs below a folder, by their path.

    Raises:
        DataError: There is none, or one is damaged.
    """
    found = [_read_run(path, folder) for path in sorted(folder.rglob("metrics.json"))]
    if not found:
        raise DataError("no metrics.json below this folder: no run has ended here", folder)
    return found


def _read_run(path: Path, folder: Path) -> Run:
    try:
        figures = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("is no JSON: not the figures of a run", path) from error
    if not isinstance(figures, dict) or not isinstance(figures.get("test"), dict):
        raise DataError("has no figures under 'test': not those of a run", path)
    settings = path.with_name("config.yaml")
    try:
        config = OmegaConf.to_container(OmegaConf.load(settings))
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise DataError("cannot be read: a run's folder has its settings beside metrics.json", settings) from error
    if not isinstance(config, dict):
        raise DataError("holds no keys: not the settings of a run", settings)
    return Run(path.parent.relative_to(folder).as_posix(), {str(k): v for k, v in config.items()}, figures)


def list_runs(runs: Iterable[Run]) -> Table:
    """A row for each group of runs with equal settings but the seed."""
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(one.settings, []).append(one)
    return Table("Test scores", [_row(group) for group in groups.values()])


def _row(group: list[Run]) -> dict[str, Cell]:
    first = group[0]
    named: dict[str, Cell] = {
        "run": _common([one.name for one in group]),
        "task": str(first.figures.get("task", "")),
        "seed": ", ".join(str(one.figures.get("seed", "")) for one in group),
        "backbone": _backbone(first.config.get("backbone")),
    }
    return named | {name: _spread([one.figures["test"].get(name) for one in group]) for name in _measures(first)}


def _common(names: list[str]) -> str:
    """The one name, or what several paths begin with and how many they are."""
    if len(names) == 1:
        return names[0]
    return f"{os.path.commonpath(names) or '.'}/* ({len(names)})"


def _backbone(settings: Any) -> str:
    """The class in a word; of a backbone that fuses, its fusion and what of it is switched off."""
    if not isinstance(settings, dict):
        return ""
    if "text" not in settings:
        return _last(settings)
    fusion = settings.get("fusion")
    if not isinstance(fusion, dict):
        return "text only"
    off = [f" without {key}" for key, value in fusion.items() if value is False]
    return _last(fusion) + ",".join(off)


def _last(settings: Mapping[str, Any]) -> str:
    return str(settings.get("_target_", "")).rpartition(".")[2]


def _measures(one: Run) -> list[str]:
    """The test measures of everything together, the task's own first."""
    names = [name for name in one.figures["test"] if "/" not in name and name not in SIZES]
    task = one.config.get("task")
    main = task.get("metric") if isinstance(task, dict) else None
    return sorted(names, key=lambda name: name != main)


def _spread(values: list[float | None]) -> Cell:
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return there[0] if there else None
    return Spread(statistics.fmean(there), statistics.stdev(there))


def compare_runs(folders: list[Path], resamples: int, seed: int) -> list[Table]:
    """The measures of two runs, those of groups of their queries, and the relations that differ most.

    Raises:
        DataError: A folder has no ranked queries.
        MetricError: The runs ranked different ones.
    """
    from mkgc.metrics.breakdown import breakdown
    from mkgc.metrics.confidence import compare
    from mkgc.metrics.ranking import Queries

    first, second = (Queries.load(folder / "queries.npz") for folder in folders)
    rows: list[dict[str, Cell]] = [
        {"measure": name, "A": one.first, "B": one.second, "B − A": one.difference, "p": one.p}
        for name, one in compare(first, second, resamples, seed).items()
    ]
    parts = [breakdown(queries) for queries in (first, second)]
    groups = [row for kind in parts[0] if kind != "relation" for row in _changes(parts[0][kind], parts[1][kind])]
    relations = sorted(_changes(parts[0]["relation"], parts[1]["relation"]), key=_weight, reverse=True)
    return [
        Table(f"A: {folders[0]}, B: {folders[1]}; {_number(first)}, 95 % intervals", rows),
        Table("MRR of groups of queries", groups),
        Table("Relations that change the MRR most", relations[:MOST]),
    ]


def _number(queries: Queries) -> str:
    return f"{len(queries.table):,} queries"


def _changes(first: dict[str, dict[str, float]], second: dict[str, dict[str, float]]) -> list[dict[str, Cell]]:
    return [
        {
            "group": name,
            "queries": int(one["count"]),
            "A": one["mrr"],
            "B": second[name]["mrr"],
            "B − A": second[name]["mrr"] - one["mrr"],
        }
        for name, one in first.items()
    ]


def _weight(row: Mapping[str, Any]) -> float:
    """How far a group moves the measure of all queries."""
    return abs(row["B − A"]) * row["queries"]


def shown(cell: Cell) -> str:
    """A cell as text: ``0.9244 ± 0.0041``, ``0.3380 [0.3321, 0.3442]``; nothing where nothing applies."""
    if isinstance(cell, Spread):
        return " ± ".join(map(shown, cell))
    if isinstance(cell, tuple):
        value, low, high = map(shown, cell)
        return f"{value} [{low}, {high}]"
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def markdown(tables: list[Table]) -> str:
    """The tables under their titles."""
    return "\n\n".join(f"**{_escaped(table.title)}**\n\n{_grid(table)}" for table in tables) + "\n"


def _grid(table: Table) -> str:
    lines = [table.columns, ("---",) * len(table.columns)]
    lines += [tuple(_escaped(shown(row.get(name))) for name in table.columns) for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def as_json(tables: list[Table]) -> str:
    """The tables with their numbers unrounded."""
    plain = [{"title": t.title, "rows": [{k: _plain(v) for k, v in row.items()} for row in t.rows]} for t in tables]
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _plain(cell: Cell) -> Any:
    return cell._asdict() if hasattr(cell, "_asdict") else cell


def as_csv(tables: list[Table]) -> str:
    """The one table with its numbers unrounded, the parts of a cell in columns of their own.

    Raises:
        ConfigError: There are several tables.
    """
    if len(tables) > 1:
        raise ConfigError("a comparison is several tables, which .csv cannot hold: choose output=FILE.md or FILE.json")
    rows = [dict(_flat(row)) for row in tables[0].rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _flat(row: Mapping[str, Cell]) -> Iterable[tuple[str, Cell]]:
    for name, cell in row.items():
        value = _plain(cell)
        if isinstance(value, dict):
            yield from ((name if i == 0 else f"{name} {part}", v) for i, (part, v) in enumerate(value.items()))
        else:
            yield name, cell


WRITERS: dict[str, Callable[[list[Table]], str]] = {".md": markdown, ".json": as_json, ".csv": as_csv}
