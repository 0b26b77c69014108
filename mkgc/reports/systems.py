"""A table of systems of link prediction, as papers have it: what each reaches and how sure that is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mkgc.errors import DataError
from mkgc.reports.runs import common, grouped, read_jobs, system
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell, Table

if TYPE_CHECKING:
    from mkgc.analysis.queries import Queries

SHOWN = ("mr", "mrr", "hits@1", "hits@3", "hits@10")


class System(NamedTuple):
    """Runs with equal settings but the seed; ``ranked`` are the queries, in order, of those that have finished."""

    name: str
    seeds: str
    ranked: list[Queries]


def list_systems(folder: Path, resamples: int = 10000, seed: int = 0) -> list[Table]:
    """For each data set below a folder a table of its systems, and one of its clean subset where queries leak.

    A figure is the mean over a system's seeds. Its interval is over test triples, each with its mean over the seeds
    (:func:`mkgc.analysis.confidence.pooled`): of what these runs would reach on other triples, not of what other seeds
    would. The best figure of a column stands out. A run that has settings but no figures is said not to have finished.

    Raises:
        DataError: There is no run, or one has no ranked queries.
        MetricError: Systems ranked different queries of one data set.
    """
    sets: dict[str, list[Run]] = {}
    for one in read_jobs(folder):
        sets.setdefault(str(one.setting("data.root") or folder), []).append(one)
    return [table for name, runs in sets.items() for table in _tables(name, runs, resamples, seed)]


def _tables(name: str, runs: list[Run], resamples: int, seed: int) -> list[Table]:
    systems = [_read(group) for group in grouped(runs)]
    times = Counter(one.name for one in systems)
    systems = [
        one._replace(name=f"{one.name} ({common(group)})") if times[one.name] > 1 else one
        for one, group in zip(systems, grouped(runs), strict=True)
    ]
    first = _same(systems)
    if first is None and all(one.figures or one.problem for one in runs):
        raise DataError(systems[0].seeds)
    if first is None:
        return [_table(name, systems, resamples, seed)]
    tables = [_table(f"{name}: {len(first.table):,} queries, 95 % intervals", systems, resamples, seed)]
    if first.leaks:
        title = f"{name}, clean subset: {first.clean.sum():,} queries, 95 % intervals"
        clean = [one._replace(ranked=[run.chosen(first.clean) for run in one.ranked]) for one in systems]
        tables.append(_table(title, clean, resamples, seed))
    return tables


def _read(group: list[Run]) -> System:
    from mkgc.analysis.queries import Queries

    ended = [one for one in group if one.figures and one.problem is None]
    problems = [one.problem for one in group if one.problem is not None]
    lost = ", ".join(str(one.setting("seed")) for one in group if not one.figures and one.problem is None)
    ranked = []
    for one in ended:
        try:
            ranked.append((str(one.setting("seed")), Queries.load(one.folder / "queries.npz").ordered()))
        except DataError as error:
            problems.append(str(error))
    parts = [", ".join(seed for seed, _ in ranked), f"{lost} did not finish" if lost else "", *problems]
    return System(system(group[0]) or group[0].name, "; ".join(filter(None, parts)), [run for _, run in ranked])


def _same(systems: list[System]) -> Queries | None:
    """The queries that all of them ranked; None if no run has finished.

    Raises:
        MetricError: They ranked different ones.
    """
    from mkgc.metrics import MetricError

    ranked = [(one.name, run) for one in systems for run in one.ranked]
    for name, run in ranked[1:]:
        try:
            ranked[0][1].require_same(run)
        except MetricError as error:
            raise MetricError(f"{ranked[0][0]} and {name}: {error}") from None
    return ranked[0][1] if ranked else None


def _table(title: str, systems: list[System], resamples: int, seed: int) -> Table:
    from mkgc.analysis.confidence import pooled

    rows: list[tuple[Cell, ...]] = []
    for one in systems:
        found = pooled(one.ranked, resamples, seed) if one.ranked else {}
        rows.append((one.name, one.seeds, *(found.get(name) for name in SHOWN)))
    return Table(title, ("system", "seeds", *SHOWN), rows, _best(rows))


def _best(rows: list[tuple[Cell, ...]]) -> frozenset[tuple[int, int]]:
    """The cells with the lowest mean rank and the highest of all else, where there is a choice."""
    best = set()
    for column, name in enumerate(SHOWN, start=2):
        values = {i: cell[0] for i, row in enumerate(rows) if isinstance(cell := row[column], tuple)}
        if len(values) > 1:
            top = (min if name == "mr" else max)(values.values())
            best |= {(i, column) for i, value in values.items() if value == top}
    return frozenset(best)
