"""Tables of what runs reached: a row for those that differ in their seeds alone, a column for what else differs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence

from mkgc.reports.evidence import Evidence, Resampling, intervals, read_evidence
from mkgc.reports.groups import Comparable, Group, compared, system
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell, Spread, Table
from mkgc.reports.varied import varied

SIZES = ("count", "support")
"""Figures that say how much was scored, not how well."""

LOW = ("mr",)
"""Figures of which less is better."""

IDENTITY = ("run", "system", "sample", "seed", "n")
"""Columns that are no settings and no figures."""

Row = dict[str, Cell]


def list_runs(runs: Iterable[Run], by: Resampling | None = None, notes: Sequence[str] = ()) -> list[Table]:
    """A table for each task and data set, with another of the clean subset where ranked queries leak.

    A figure is the mean over a row's seeds ± the standard deviation (of a sample). With a resampling it has an interval
    instead, over test examples, each with its mean over the seeds: of what these runs would reach on other examples,
    not of what other seeds would. The best figure of a column stands out. Notes, the given ones first, say which runs
    are missing, and why.

    Raises:
        DataError: Runs of one table were tested on different data, or by different protocols.
        MetricError: They recorded different queries.
    """
    found = compared(runs)
    several = len({one.task for one in found}) < len(found)
    found = [found[0].noted(notes), *found[1:]] if found else [Comparable("no run", "", ()).noted(notes)]
    return [table for one in found for table in _tables(one, by, several)]


def _tables(shown: Comparable, by: Resampling | None, several: bool) -> list[Table]:
    evidence = read_evidence(shown)
    name = f"{shown.task} on {shown.data}" if several else shown.task
    figures = [[one.figures["test"] for one in group.runs] for group in shown.groups]
    tables = [_table(name, shown, evidence, figures, by)]
    clean = evidence.clean()
    if clean is not None:
        shown, clean = shown.chosen([bool(found) for found in clean.groups]), clean.recorded()
        figures = [[one.metrics() for one in found] for found in clean.groups]
        tables.append(_table(f"{name}, clean subset", shown, clean, figures, by))
    return tables


def _table(
    name: str,
    shown: Comparable,
    evidence: Evidence,
    figures: Sequence[Sequence[Mapping[str, float]]],
    by: Resampling | None,
) -> Table:
    """``figures`` are those of each group's runs; the task's own measure comes first."""
    by = by if any(evidence.groups) else None
    rows = identified(shown.groups)
    told = len(rows[0]) if rows else 0
    for row, group, own, found in zip(rows, shown.groups, figures, evidence.groups, strict=True):
        measures = intervals(found, by) if by else _spreads(own)
        row |= {name: measures[name] for name in sorted(measures, key=lambda name: name != group.metric)}
    alike = [key for key in ("system", "run") if len(rows) > 1 and len({row[key] for row in rows}) == 1]
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in alike]
    title = f"{name}, {rows[0]['system']}" if "system" in alike and rows[0]["system"] else name
    return Table(
        f"{title}: {_scope(shown, evidence, by)}",
        tuple(columns),
        [tuple(row.get(key) for key in columns) for row in rows],
        _best(rows, columns, told - len(alike), {*LOW, *(g.metric for g in shown.groups if g.best == "min")}),
        (*shown.notes, *evidence.notes),
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


def _scope(shown: Comparable, evidence: Evidence, by: Resampling | None) -> str:
    count = f"{evidence.size:,} queries, " if evidence.size else ""
    spread = ", mean ± sd over seeds" if any(len(group.runs) > 1 for group in shown.groups) else ""
    return f"{count}95 % intervals" if by else f"test scores{spread}"


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
    for column, name in enumerate(columns[told:], start=told):
        cells = {i: row.get(name) for i, row in enumerate(rows)}
        values = {i: cell[0] if isinstance(cell, tuple) else cell for i, cell in cells.items()}
        there = {i: value for i, value in values.items() if isinstance(value, float) and math.isfinite(value)}
        if len(there) > 1:
            top = (min if name in low else max)(there.values())
            best |= {(i, column) for i, value in there.items() if value == top}
    return frozenset(best)
