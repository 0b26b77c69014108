"""How sure the measures of ranked queries are, and whether two runs differ by more than chance.

Both sides of a triple are drawn, and swapped, together: they share two entities and a relation, so that their ranks are
no independent observations, and intervals that took them for such would be too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from mkgc.analysis.queries import Queries
from mkgc.analysis.resampling import Comparison, Interval, Measures, Sums, bootstrap, compare_paired
from mkgc.metrics import EmptyMetricError
from mkgc.metrics.ranking import HITS


def _means(sums: Float64[np.ndarray, "*R M"]) -> Float64[np.ndarray, "*R C"]:
    return sums[..., :-1] / sums[..., -1:]


MEASURES = Measures(("mr", "mrr", *(f"hits@{k}" for k in HITS)), _means)
"""Made of sums over a triple's queries: a column a measure, and a last one for the number of queries."""


def intervals(queries: Queries, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> dict[str, Interval]:
    """The measures with intervals that hold the truth with probability ``level``, had other triples been drawn.

    Raises:
        EmptyMetricError: There are no queries.
    """
    return pooled([queries], resamples, seed, level)


def pooled(runs: Sequence[Queries], resamples: int = 1000, seed: int = 0, level: float = 0.95) -> dict[str, Interval]:
    """The measures' means over several runs, as of a system's seeds, that ranked the same queries, with intervals.

    Each triple counts with its mean over the runs, and triples are drawn, all runs at once. The intervals hold what
    these very runs would reach on other triples; how far runs of further seeds would lie from them, they do not say.

    Raises:
        MetricError: The queries differ.
        EmptyMetricError: There are none.
    """
    return bootstrap(pool(runs), MEASURES, resamples, seed, level)


def compare(
    first: Sequence[Queries], second: Sequence[Queries], resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Comparison]:
    """The measures of two systems, each of one run or more, on the same queries (:func:`compare_paired`).

    Raises:
        MetricError: The queries differ.
        EmptyMetricError: There are none.
    """
    first[0].ordered().require_same(second[0].ordered())
    return compare_paired(pool(first), pool(second), MEASURES, resamples, seed, level)


def pool(runs: Sequence[Queries]) -> Sums:
    """The sums of each triple, means over the runs.

    Raises:
        MetricError: The queries differ.
        EmptyMetricError: There are none.
    """
    first, *others = (run.ordered() for run in runs)
    for other in others:
        first.require_same(other)
    sums: Sums = np.mean([_sums(run) for run in (first, *others)], axis=0)
    return sums


def _sums(queries: Queries) -> Sums:
    """The units of resampling; queries are ordered."""
    if not len(queries.table):
        raise EmptyMetricError("there are no queries")
    rank, triples = queries.table["rank"], queries.triples
    starts = np.flatnonzero(np.r_[True, (triples[1:] != triples[:-1]).any(1)])
    columns = np.column_stack([rank, 1 / rank, *(rank <= k for k in HITS), np.ones_like(rank)])
    return np.add.reduceat(columns, starts)
