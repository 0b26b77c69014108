"""Two runs of link prediction, query by query."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mkgc.errors import DataError
from mkgc.reports.saved import read_run
from mkgc.reports.table import Table

if TYPE_CHECKING:
    from mkgc.analysis.confidence import Comparison
    from mkgc.analysis.queries import Queries

MOST = 10  # relations that a comparison names


def compare_runs(folders: list[Path], resamples: int, seed: int) -> list[Table]:
    """The measures of two runs, those of groups of their queries, and the relations that differ most.

    Where queries leak, the measures on the others, the clean subset, come second.

    Raises:
        DataError: A folder has no ranked queries, as of a task that ranks none.
        MetricError: The runs ranked different ones.
    """
    from mkgc.analysis.breakdown import changes
    from mkgc.analysis.confidence import compare

    first, second = map(_ranked, folders)
    title = f"A: {folders[0]}, B: {folders[1]}; {len(first.table):,} queries, 95 % intervals"
    tables = [_measures(title, compare(first, second, resamples, seed))]
    if first.leaks:
        title = f"The same on the clean subset: {first.clean.sum():,} queries"
        clean, other = (run.chosen(first.clean) for run in (first, second))
        tables.append(_measures(title, compare(clean, other, resamples, seed)))
    groups = changes(first, second)
    relations = sorted(groups.pop("relation"), key=lambda change: change.weight, reverse=True)
    columns = ("group", "queries", "A", "B", "B − A")
    return [
        *tables,
        Table("MRR of groups of queries", columns, [*chain.from_iterable(groups.values())]),
        Table("MRR of the relations that change it most", ("relation", *columns[1:]), [*relations[:MOST]]),
    ]


def _ranked(folder: Path) -> Queries:
    from mkgc.analysis.queries import Queries

    figures = read_run(folder, folder).figures
    if figures and "mrr" not in figures["test"]:
        raise DataError(
            f"this is a run of task={figures.get('task')}, and compare= is for runs that rank entities (link "
            "prediction): it asks query by query whether they differ; runs=DIR has the figures of any runs side by "
            "side",
            folder,
        )
    return Queries.load(folder / "queries.npz").ordered()


def _measures(title: str, found: dict[str, Comparison]) -> Table:
    return Table(title, ("measure", "A", "B", "B − A", "p"), [(name, *one) for name, one in found.items()])
