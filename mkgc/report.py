"""`python -m mkgc.report runs=DIR` or `compare=[A,B]`: what runs reached, and whether two of them differ.

Runs with equal settings but the seed are one row: mean ± standard deviation (of a sample) over the seeds.
"""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
from collections.abc import Callable, Iterable
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

SIZES = ("count", "support")  # figures that say how much was scored, not how well
ONE_RUN = ("seed", "resume")  # keys in which repetitions of a run differ
MOST = 10  # relations that a comparison names


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


class Run(NamedTuple):
    """A finished run: where it lies below the folder asked for, its settings, and its figures."""

    name: str
    config: DictConfig
    figures: dict[str, Any]

    def repeats(self) -> str:
        """Equal for runs that are repetitions of one another."""
        plain: Any = OmegaConf.to_container(self.config)
        return json.dumps(plain | dict.fromkeys(ONE_RUN), sort_keys=True)

    def setting(self, key: str) -> Any:
        """The value at a dotted key, None where there is none."""
        return OmegaConf.select(self.config, key)


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
        config = DictConfig(OmegaConf.load(settings))
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise DataError("cannot be read: a run's folder has its settings beside metrics.json", settings) from error
    return Run(path.parent.relative_to(folder).as_posix(), config, figures)


def list_runs(runs: Iterable[Run]) -> Table:
    """A row for each group of runs with equal settings but the seed."""
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(one.repeats(), []).append(one)
    rows = [_row(group) for group in groups.values()]
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table("Test scores", columns, [tuple(row.get(name) for name in columns) for row in rows])


def _row(group: list[Run]) -> dict[str, Cell]:
    first = group[0]
    named: dict[str, Cell] = {
        "run": _common([one.name for one in group]),
        "task": str(first.figures.get("task", "")),
        "seed": ", ".join(str(one.figures.get("seed", "")) for one in group),
        "backbone": _backbone(first),
    }
    return named | {name: _spread([one.figures["test"].get(name) for one in group]) for name in _measures(first)}


def _common(names: list[str]) -> str:
    """The one name, or what several paths begin with and how many they are."""
    if len(names) == 1:
        return names[0]
    return f"{os.path.commonpath(names) or '.'} ({len(names)} runs)"


def _backbone(one: Run) -> str:
    """The class in a word; of a backbone that fuses, its fusion and what of it is switched off."""
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
    return "\n".join(f"{table.title}\n\n{_grid(table)}" for table in tables)


def _grid(table: Table) -> str:
    cells = [[shown(cell).replace("|", "\\|") for cell in row] for row in table.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in (table.columns, ["---"] * len(table.columns), *cells))


def as_json(tables: list[Table]) -> str:
    """The tables with their numbers unrounded."""
    rows = [[dict(zip(t.columns, map(_plain, row), strict=True)) for row in t.rows] for t in tables]
    plain = [{"title": table.title, "rows": part} for table, part in zip(tables, rows, strict=True)]
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
    rows = [_flat(dict(zip(tables[0].columns, row, strict=True))) for row in tables[0].rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*dict.fromkeys(chain.from_iterable(rows))], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _flat(row: dict[str, Cell]) -> dict[str, Cell]:
    out: dict[str, Cell] = {}
    for name, cell in row.items():
        parts = cell if isinstance(cell, Spread) else (cell,)
        out |= zip((name, f"{name} sd"), parts, strict=False)
    return out


WRITERS: dict[str, Callable[[list[Table]], str]] = {".md": markdown, ".json": as_json, ".csv": as_csv}


def write(tables: list[Table], output: Path) -> None:
    """Writes the tables in the form that the file's name ends with.

    Raises:
        ConfigError: There is no such form, it cannot hold the tables, or the file cannot be written.
    """
    text = WRITERS[output.suffix](tables)
    try:
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
