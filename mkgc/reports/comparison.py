"""Two runs, or two systems with several seeds, example by example."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mkgc.reports.table import Table
from mkgc.reports.tested import read_tested, repetitions, require_same

if TYPE_CHECKING:
    from mkgc.analysis.predictions import Predictions
    from mkgc.analysis.queries import Queries
    from mkgc.analysis.resampling import Comparison

MOST = 10  # relations or classes that a comparison names


def compare_runs(folders: list[Path], resamples: int, seed: int) -> list[Table]:
    """The measures of two runs, those of groups of their examples, and the classes that differ most.

    A folder may hold several runs with equal settings but the seed, which count with their mean.

    Raises:
        DataError: A folder has no run, or one that keeps no predictions.
        MetricError: The runs were tested on different examples.
    """
    from mkgc.analysis.predictions import Predictions
    from mkgc.analysis.queries import Queries

    first, second = ([read_tested(one) for one in repetitions(folder)] for folder in folders)
    ranked = [[one for one in runs if isinstance(one, Queries)] for runs in (first, second)]
    predicted = [[one for one in runs if isinstance(one, Predictions)] for runs in (first, second)]
    require_same(first[0], second[0])
    title = f"A: {_named(folders[0], first)}, B: {_named(folders[1], second)}"
    if any(ranked):
        return _ranked(title, ranked[0], ranked[1], resamples, seed)
    return _predicted(title, predicted[0], predicted[1], resamples, seed)


def _named(folder: Path, runs: Sequence[object]) -> str:
    return f"{folder} ({len(runs)} runs)" if len(runs) > 1 else str(folder)


def _ranked(title: str, first: Sequence[Queries], second: Sequence[Queries], resamples: int, seed: int) -> list[Table]:
    """Of ranked queries; where some leak, the measures on the others, the clean subset, come second."""
    from mkgc.analysis.breakdown import changes
    from mkgc.analysis.confidence import compare

    table, clean = first[0].table, first[0].clean
    tables = [
        measures_table(f"{title}; {len(table):,} queries, 95 % intervals", compare(first, second, resamples, seed))
    ]
    if first[0].leaks:
        one, other = ([run.chosen(clean) for run in runs] for runs in (first, second))
        said = f"The same on the clean subset: {clean.sum():,} queries"
        tables.append(measures_table(said, compare(one, other, resamples, seed)))
    groups = changes(first, second)
    relations = sorted(groups.pop("relation"), key=lambda change: change.weight, reverse=True)
    columns = ("group", "queries", "A", "B", "B − A")
    return [
        *tables,
        Table("MRR of groups of queries", columns, [*chain.from_iterable(groups.values())]),
        Table("MRR of the relations that change it most", ("relation", *columns[1:]), [*relations[:MOST]]),
    ]


def _predicted(
    title: str, first: Sequence[Predictions], second: Sequence[Predictions], resamples: int, seed: int
) -> list[Table]:
    """Of labels or entities, or of queries with figures of their own."""
    from mkgc.analysis import figures
    from mkgc.analysis.answers import changes, compare

    if figures.recorded(first[0]):
        found = figures.compare(first, second, resamples, seed)
        return [measures_table(f"{title}; {len(first[0].rows):,} queries, 95 % intervals", found)]
    found = compare(first, second, resamples, seed)
    groups, classes = changes(first, second)
    columns = ("group", "examples", "A", "B", "B − A")
    return [
        measures_table(f"{title}; {len(first[0].rows):,} examples, 95 % intervals", found),
        Table("F1 of groups of examples", columns, groups),
        Table("F1 of the classes that change it most", ("class", "support", *columns[2:]), classes[:MOST]),
    ]


def measures_table(title: str, found: dict[str, Comparison]) -> Table:
    """The measures of both sides, A and B, and whether they differ by more than chance."""
    return Table(title, ("measure", "A", "B", "B − A", "p"), [(name, *one) for name, one in found.items()])
