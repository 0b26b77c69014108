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
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from yaml import YAMLError

from mkgc.command import reported, require_one, run
from mkgc.errors import ConfigError, DataError

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


class Table(NamedTuple):
    """Rows are as wide as ``columns``."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


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
    rows = [_row(group) for group in groups.values()]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table("Test scores", columns, [tuple(row.get(name) for name in columns) for row in rows])


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
    return f"{Path(os.path.commonpath(names), '*')} ({len(names)})"


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
    from mkgc.metrics.breakdown import changes
    from mkgc.metrics.confidence import compare
    from mkgc.metrics.ranking import Queries

    first, second = (Queries.load(folder / "queries.npz") for folder in folders)
    rows: list[tuple[Cell, ...]] = [(name, *one) for name, one in compare(first, second, resamples, seed).items()]
    groups = changes(first, second)
    relations = sorted(groups.pop("relation"), key=lambda change: change.weight, reverse=True)
    title = f"A: {folders[0]}, B: {folders[1]}; {len(first.table):,} queries, 95 % intervals"
    columns = ("group", "queries", "A", "B", "B − A")
    return [
        Table(title, ("measure", "A", "B", "B − A", "p"), rows),
        Table("MRR of groups of queries", columns, [*chain.from_iterable(groups.values())]),
        Table("MRR of the relations that change it most", ("relation", *columns[1:]), [*relations[:MOST]]),
    ]


def shown(cell: Cell) -> str:
    """A cell as text: ``0.9244 ± 0.0041``, ``0.3380 [0.3321, 0.3442]``; nothing where nothing applies."""
    if isinstance(cell, tuple):
        value, *rest = (f"{part:.4f}" if abs(cell[0]) < 10 else f"{part:,.1f}" for part in cell)
        return f"{value} ± {rest[0]}" if isinstance(cell, Spread) else f"{value} [{', '.join(rest)}]"
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def markdown(tables: list[Table]) -> str:
    """The tables under their titles."""
    return "\n".join(f"**{_escaped(table.title)}**\n\n{_grid(table)}" for table in tables)


def _grid(table: Table) -> str:
    cells = [[_escaped(shown(cell)) for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in (table.columns, ["---"] * len(table.columns), *cells))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def as_json(tables: list[Table]) -> str:
    """The tables with their numbers unrounded."""
    plain = [
        {"title": t.title, "rows": [dict(zip(t.columns, map(_plain, row), strict=True)) for row in t.rows]}
        for t in tables
    ]
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _plain(cell: Cell) -> Any:
    return getattr(cell, "_asdict", lambda: cell)()


def as_csv(tables: list[Table]) -> str:
    """The one table with its numbers unrounded, deviations in columns of their own.

    Raises:
        ConfigError: There are several tables.
    """
    if len(tables) > 1:
        raise ConfigError("a comparison is several tables, which .csv cannot hold: choose output=FILE.md or FILE.json")
    spread = [any(isinstance(cell, Spread) for cell in column) for column in zip(*tables[0].rows, strict=True)]
    names = [(name, f"{name} sd") if two else (name,) for name, two in zip(tables[0].columns, spread, strict=True)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(chain.from_iterable(names))
    for row in tables[0].rows:
        cells = (
            (*(cell if isinstance(cell, Spread) else (cell, None)),)[: len(n)]
            for cell, n in zip(row, names, strict=True)
        )
        writer.writerow(chain.from_iterable(cells))
    return out.getvalue()


WRITERS: dict[str, Callable[[list[Table]], str]] = {".md": markdown, ".json": as_json, ".csv": as_csv}


def write(tables: list[Table], output: Path) -> None:
    """Writes the tables in the form that the file's name ends with.

    Raises:
        ConfigError: There is no such form, it cannot hold the tables, or the file cannot be written.
    """
    text = WRITERS[output.suffix](tables)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"output={output}: cannot be written: {error.strerror}") from error


def show(tables: list[Table], console: Console) -> None:
    """Prints tables on a terminal, and Markdown into a file or a pipe; no name is taken for markup."""
    if not console.is_terminal:
        console.file.write(markdown(tables))
        return
    for table in tables:
        rich = RichTable(title=Text(table.title), title_justify="left")
        for i, name in enumerate(table.columns):
            numeric = any(not isinstance(row[i], str | None) for row in table.rows)
            rich.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
        for row in table.rows:
            rich.add_row(*(Text(shown(cell)) for cell in row))
        console.print(rich)


def report(config: DictConfig) -> list[Table]:
    """The tables that were asked for.

    Raises:
        MkgcError: The keys do not say what is wanted, or the runs are not there or not comparable.
    """
    asked = require_one(config, "runs", "compare")
    if asked is None:
        raise ConfigError("give runs=… or compare=[A,B]")
    if config.output is not None and Path(config.output).suffix not in WRITERS:
        raise ConfigError(f"output={config.output}: must end with {', '.join(WRITERS)}")
    if asked == "runs":
        return [list_runs(read_runs(Path(config.runs)))]
    if not isinstance(config.compare, ListConfig) or len(config.compare) != 2:
        raise ConfigError(f"compare={config.compare}: give the folders of two runs, compare=[A,B]")
    if not isinstance(config.resamples, int) or config.resamples < 1:
        raise ConfigError(f"resamples={config.resamples} must be a whole number of at least 1")
    return compare_runs([Path(str(folder)) for folder in config.compare], config.resamples, config.seed)


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
@reported
def _main(config: DictConfig) -> None:
    tables = report(config)
    if config.output is not None:
        write(tables, Path(config.output))
    show(tables, Console())


def main() -> None:
    """The command."""
    run(_main)


if __name__ == "__main__":
    main()
