"""What runs recorded of their tests: how sure their figures are, and which rows differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mkgc.errors import DataError
from mkgc.reports.groups import Comparable
from mkgc.reports.saved import Run
from mkgc.reports.table import Cell
from mkgc.reports.tested import read_tested, require_same
from mkgc.training.run import PREDICTIONS, QUERIES

if TYPE_CHECKING:
    from mkgc.analysis.resampling import Measures, Sums
    from mkgc.reports.tested import Tested


class Statistics(NamedTuple):
    """Whether figures have ``intervals`` over test examples, how often these are drawn anew, and the seed of that.

    ``baseline`` is the folder of the run, or of a row's runs, that the others are compared with; None: the best row.
    """

    intervals: bool = False
    resamples: int = 10000
    seed: int = 0
    baseline: Path | None = None


USUAL = Statistics()


class Evidence(NamedTuple):
    """Of each group what its runs recorded, in order, where all of them did; ``notes`` say what cannot be read."""

    groups: tuple[tuple[Tested, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Tested | None:
        """What the first run recorded; the examples of the others are the same."""
        return next((found[0] for found in self.groups if found), None)

    def clean(self) -> Evidence | None:
        """The same of the ranked queries that do not leak; None where all or none do."""
        from mkgc.analysis.queries import Queries

        first = self.first
        if not isinstance(first, Queries) or not first.leaks:
            return None
        kept = [[one.chosen(first.clean) for one in found if isinstance(one, Queries)] for found in self.groups]
        return Evidence(tuple(map(tuple, kept)))

    def recorded(self) -> Evidence:
        """Of the groups alone that recorded something."""
        return self._replace(groups=tuple(filter(None, self.groups)))


def read_evidence(shown: Comparable) -> Evidence:
    """Reads what the runs of a table recorded.

    Raises:
        MetricError: They were tested on different examples.
    """
    groups, notes, first = [], [], None
    for group in shown.groups:
        found, lines = _read(group.runs)
        notes += lines
        for one, run in zip(found, group.runs, strict=False):
            first = first or (one, run)
            _check_same(*first, one, run)
        groups.append(found)
    return Evidence(tuple(groups), tuple(notes))


def _check_same(first: Tested, where: Run, other: Tested, there: Run) -> None:
    from mkgc.metrics import MetricError

    try:
        require_same(first, other)
    except MetricError as error:
        raise MetricError(f"{where.name} and {there.name}: {error}") from None


def _read(runs: Sequence[Run]) -> tuple[tuple[Tested, ...], list[str]]:
    """What all of the runs recorded, or nothing, and what cannot be read."""
    found, notes = [], []
    for one in runs:
        if not any((one.folder / name).exists() for name in (QUERIES, PREDICTIONS)):
            continue
        try:
            found.append(read_tested(one))
        except DataError as error:
            notes.append(str(error))
    return (tuple(found), notes) if len(found) == len(runs) else ((), notes)


def intervals(found: Sequence[Tested], how: Statistics) -> dict[str, Cell]:
    """The measures with intervals, of what these very runs would reach on other test examples."""
    from mkgc.analysis.resampling import bootstrap

    return {**bootstrap(*_pooled(found), how.resamples, how.seed)} if found else {}


def significance(evidence: Evidence, reference: int, measure: str, how: Statistics) -> list[float | None]:
    """For each group the p of no difference in a measure from the one that is the reference; None where none is known.

    The test swaps what two groups did on random test examples, each with its mean over a group's runs
    (:func:`mkgc.analysis.resampling.p_values`).
    """
    from mkgc.analysis.resampling import p_values

    sums, measures = _pooled(evidence.groups[reference])
    out: list[float | None] = []
    for i, found in enumerate(evidence.groups):
        known = found and i != reference and measure in measures.names
        out.append(p_values(sums, _pooled(found)[0], measures, how.resamples, how.seed)[measure] if known else None)
    return out


def _pooled(found: Sequence[Tested]) -> tuple[Sums, Measures]:
    """The sums of each unit of resampling, means over the runs, and what measures are made of them."""
    from mkgc.analysis import answers, confidence, figures
    from mkgc.analysis.predictions import Predictions
    from mkgc.analysis.queries import Queries

    ranked = [one for one in found if isinstance(one, Queries)]
    if ranked:
        return confidence.pool(ranked), confidence.MEASURES
    predicted = [one for one in found if isinstance(one, Predictions)]
    if figures.recorded(predicted[0]):
        return figures.pool(predicted), figures.measures(predicted[0])
    return answers.pool(predicted), answers.measures(predicted[0].labels)
