"""Tables of what runs reached: a row for those that differ in their seeds alone, a column for what else differs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from mkgc.errors import ConfigError
from mkgc.reports.evidence import USUAL, Evidence, Statistics, intervals, read_evidence, significance
from mkgc.reports.groups import Comparable, Group, compared, system
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell, Spread, Table
from mkgc.reports.varied import varied

SIZES = ("count", "support", "bag_support", "replaced_share")
"""Figures that say how much was scored, not how well."""

LOW = ("mr", "perplexity")
"""Figures of which less is better, as it is of each loss."""

IDENTITY = ("run", "system", "sample", "seed", "n")
"""Columns that are no settings and no figures."""

P = "p"
"""The column that says how likely so large a difference is by chance."""

Row = dict[str, Cell]


def list_runs(runs: Iterable[Run], how: Statistics = USUAL, notes: Sequence[str] = ()) -> list[Table]:
    """A table for each task and data set, with another of the clean subset where ranked queries leak.

    A figure is the mean over a row's seeds ± the standard deviation (of a sample). If intervals are asked for, it has
    one instead, over test examples, each with its mean over the seeds: of what these runs would reach on other
    examples, not of what other seeds would. The best figure of a column stands out. Where runs recorded what they did
    on each example, ``p`` is that of no difference from the best row, or the baseline. Notes, the given ones first, say
    which runs are missing, and why.

    Raises:
        ConfigError: The baseline is no row.
        DataError: Runs of one table were tested on different data, or by different protocols.
        MetricError: They were tested on different examples.
    """
    found = compared(runs)
    several = len({one.task for one in found}) < len(found)
    found = [found[0].noted(notes), *found[1:]] if found else [Comparable("no run", "", ()).noted(notes)]
    if how.baseline is not None:
        _check_baseline(how.baseline, [group for one in found for group in one.groups])
    return [table for one in found for table in _tables(one, how, several)]


def _check_baseline(place: Path, groups: Sequence[Group]) -> None:
    rows = sum(group.holds(place) for group in groups)
    if rows != 1:
        many = f"the runs of {rows} rows lie there" if rows else "none of the runs lies there"
        raise ConfigError(f"baseline={place}: {many}: give the folder of one")


def _tables(shown: Comparable, how: Statistics, several: bool) -> list[Table]:
    evidence = read_evidence(shown)
    name = f"{shown.task} on {shown.data}" if several else shown.task
    figures = [[one.figures["test"] for one in group.runs] for group in shown.groups]
    tables = [_table(name, shown, evidence, figures, how)]
    clean = evidence.clean()
    if clean is not None:
        shown, clean = shown.chosen([bool(found) for found in clean.groups]), clean.recorded()
        figures = [[one.metrics() for one in found] for found in clean.groups]  # type: ignore[union-attr]
        tables.append(_table(f"{name}, clean subset", shown, clean, figures, how))
    return tables


def _table(
    name: str,
    shown: Comparable,
    evidence: Evidence,
    figures: Sequence[Sequence[Mapping[str, float]]],
    how: Statistics,
) -> Table:
    """``figures`` are those of each group's runs; the task's own measure comes first."""
    how = how._replace(intervals=how.intervals and any(evidence.groups))
    rows = identified(shown.groups)
    called = [name or str(row["run"]) for name, row in zip(names(rows), rows, strict=True)]
    told = len(rows[0]) if rows else 0
    for row, group, own, found in zip(rows, shown.groups, figures, evidence.groups, strict=True):
        measures = intervals(found, how) if how.intervals else _spreads(own)
        row |= {name: measures[name] for name in sorted(measures, key=lambda name: name != group.metric)}
    reference = _add_p(rows, shown, evidence, how)
    notes = [] if reference is None else [_told_p(str(shown.groups[reference].metric), called[reference], how)]
    alike = [key for key in ("system", "run") if len(rows) > 1 and len({row[key] for row in rows}) == 1]
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in alike]
    title = f"{name}, {rows[0]['system']}" if "system" in alike and rows[0]["system"] else name
    return Table(
        f"{title}: {_scope(shown, evidence, how)}",
        tuple(columns),
        [tuple(row.get(key) for key in columns) for row in rows],
        _best(rows, columns, told - len(alike), low(shown)),
        (*shown.notes, *evidence.notes, *notes),
    )


def low(shown: Comparable) -> set[str | None]:
    """The measures of which less is better."""
    names = {name for group in shown.groups for one in group.runs for name in one.figures["test"]}
    losses = {name for name in names if name.endswith("loss")}
    return {*LOW, *losses, *(group.metric for group in shown.groups if group.best == "min")}


def _add_p(rows: Sequence[Row], shown: Comparable, evidence: Evidence, how: Statistics) -> int | None:
    """Adds the column of p to the rows, where two of them can be compared; which one the others are compared with."""
    metric = str(next((group.metric for group in shown.groups if group.metric), None))
    values = {i: value for i, row in enumerate(rows) if (value := _value(row.get(metric))) is not None}
    known = [i for i, found in enumerate(evidence.groups) if found and i in values]
    named = [i for i in known if how.baseline is not None and shown.groups[i].holds(how.baseline)]
    if len(known) < 2:
        return None
    reference = named[0] if named else (min if metric in low(shown) else max)(known, key=values.__getitem__)
    found = significance(evidence, reference, metric, how)
    if not any(p is not None for p in found):
        return None
    for row, p in zip(rows, found, strict=True):
        row[P] = p
    return reference


def _told_p(metric: str, name: str, how: Statistics) -> str:
    return (
        f"{P}: of no difference in {metric} from {name}, by a permutation test over test examples ({how.resamples:,} "
        "draws), not corrected for the number of rows"
    )


def identified(groups: Sequence[Group]) -> list[Row]:
    """For each group what tells it from the others, its seeds and how many runs count."""
    systems = [system(group.first) for group in groups]
    keys = varied([group.first for group in groups], systems)
    rows: list[Row] = []
    for i, group in enumerate(groups):
        seeds, samples = ([*dict.fromkeys(one.seeds[j] for one in group.runs)] for j in (0, 1))
        row: Row = {"run": group.place, "system": systems[i], **{key: values[i] for key, values in keys.items()}}
        if any(one.seeds[1] for each in groups for one in each.runs):
            row["sample"] = ", ".join(samples)
        rows.append(row | {"seed": ", ".join(seeds), "n": len(group.runs)})
    return rows


def names(rows: Sequence[Row], without: str = "") -> list[str]:
    """What tells each row from the others, in a few words, but for a setting that is told elsewhere."""
    alike = len({row["system"] for row in rows}) == 1
    out = []
    for row in rows:
        told = [] if alike else [str(row["system"])]
        keys = [key for key in row if key not in IDENTITY and key != without and row[key]]
        out.append(", ".join([*told, *(f"{key.rpartition('.')[2]}={row[key]}" for key in keys)]))
    return out


def _scope(shown: Comparable, evidence: Evidence, how: Statistics) -> str:
    if how.intervals and evidence.first is not None:
        return f"{len(evidence.first):,} {evidence.first.unit}, 95 % intervals"
    spread = ", mean ± sd over seeds" if any(len(group.runs) > 1 for group in shown.groups) else ""
    return f"test scores{spread}"


def _spreads(figures: Sequence[Mapping[str, float]]) -> Row:
    """The measures of everything together."""
    names = [name for name in (figures[0] if figures else ()) if "/" not in name and name not in SIZES]
    return {name: spread([one[name] for one in figures if name in one]) for name in names}


def spread(values: Sequence[float]) -> Cell:
    """The one value, or mean and standard deviation of several."""
    if len(values) < 2:
        return values[0] if values else None
    if not all(map(math.isfinite, values)):
        return Spread(math.nan, math.nan)
    return Spread(statistics.fmean(values), statistics.stdev(values))


def _best(
    rows: Sequence[Row], columns: Sequence[str], told: int, low: Collection[str | None]
) -> frozenset[tuple[int, int]]:
    """The best cells of each measure, where there is a choice; ``told`` columns before them are none."""
    best = set()
    for column, name in enumerate(columns):
        if column < told or name == P:
            continue
        there = {i: value for i, row in enumerate(rows) if (value := _value(row.get(name))) is not None}
        if len(there) > 1:
            top = (min if name in low else max)(there.values())
            best |= {(i, column) for i, value in there.items() if value == top}
    return frozenset(best)


def _value(cell: Cell) -> float | None:
    """The figure in a cell, if it is finite."""
    value = cell[0] if isinstance(cell, tuple) else cell
    return value if isinstance(value, float) and math.isfinite(value) else None
