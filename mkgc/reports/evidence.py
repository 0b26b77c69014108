"""What runs recorded of their tests: how sure their figures are, and which rows differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mkgc.errors import DataError
from mkgc.reports.groups import Comparable
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell

if TYPE_CHECKING:
    from mkgc.analysis.queries import Queries


class Resampling(NamedTuple):
    """How often test examples are drawn anew, and the seed of that."""

    resamples: int = 10000
    seed: int = 0


class Evidence(NamedTuple):
    """Of each group what its runs recorded, in order, where all of them did; ``notes`` say what cannot be read."""

    groups: tuple[tuple[Queries, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many test examples were recorded, which are the same in all groups."""
        return next((len(found[0].table) for found in self.groups if found), 0)

    def clean(self) -> Evidence | None:
        """The same of the queries that do not leak; None where all or none do."""
        first = next((found[0] for found in self.groups if found), None)
        if first is None or not first.leaks:
            return None
        return Evidence(tuple(tuple(one.chosen(first.clean) for one in found) for found in self.groups))

    def recorded(self) -> Evidence:
        """Of the groups alone that recorded something."""
        return self._replace(groups=tuple(filter(None, self.groups)))


def read_evidence(shown: Comparable) -> Evidence:
    """Reads what the runs of a table recorded.

    Raises:
        MetricError: They recorded different queries.
    """
    from mkgc.metrics import MetricError

    groups, notes, first = [], [], None
    for group in shown.groups:
        found, lines = _read(group.runs)
        notes += lines
        for one, run in zip(found, group.runs, strict=False):
            first = first or (one, run)
            try:
                first[0].require_same(one)
            except MetricError as error:
                raise MetricError(f"{first[1].name} and {run.name}: {error}") from None
        groups.append(found)
    return Evidence(tuple(groups), tuple(notes))


def _read(runs: Sequence[Run]) -> tuple[tuple[Queries, ...], list[str]]:
    there = [one.folder / "queries.npz" for one in runs if (one.folder / "queries.npz").exists()]
    if not there:
        return (), []
    from mkgc.analysis.queries import Queries

    found, notes = [], []
    for path in there:
        try:
            found.append(Queries.load(path).ordered())
        except DataError as error:
            notes.append(str(error))
    return (tuple(found), notes) if len(found) == len(runs) else ((), notes)


def intervals(found: Sequence[Queries], by: Resampling) -> dict[str, Cell]:
    """The measures with intervals, of what these very runs would reach on other test examples."""
    from mkgc.analysis.confidence import pooled

    return {**pooled(found, *by)} if found else {}
