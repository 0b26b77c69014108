"""How sure measures are: intervals by the bootstrap, and whether two runs differ by more than chance.

Both sides of a triple are drawn, and swapped, together: they share two entities and a relation, so that their ranks are
no independent observations, and intervals that took them for such would be too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from mkgc.analysis.queries import Queries
from mkgc.metrics import EmptyMetricError
from mkgc.metrics.ranking import HITS

MEASURES = ("mr", "mrr", *(f"hits@{k}" for k in HITS))

CELLS = 2**20
"""Numbers drawn at a time: some 30 MB, whatever the number of queries and resamples."""

Sums = Float64[np.ndarray, "n M"]
"""By triple, summed over its queries: a column each of MEASURES, and a last one for the number of queries."""


class Interval(NamedTuple):
    """A measure, and between what it probably lies."""

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """A measure of two runs; ``difference`` is the second's minus the first's, ``p`` that of no difference."""

    first: Interval
    second: Interval
    difference: Interval
    p: float


def intervals(queries: Queries, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> dict[str, Interval]:
    """The measures with intervals that hold the truth with probability ``level``, had other triples been drawn.

    Source: the percentile bootstrap, Efron & Tibshirani (1993), chapter 13.

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
    first, *others = (run.ordered() for run in runs)
    for other in others:
        first.require_same(other)
    sums = np.mean([_sums(run) for run in (first, *others)], axis=0)
    return _named(_means(sums.sum(0)), _means(_resampled(sums, resamples, seed)), level)


def compare(
    first: Queries, second: Queries, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Comparison]:
    """The measures of two runs on the same queries, over the same resamples.

    ``p`` is two-sided, by a test that swaps the runs' results of random triples: it is the probability of so large a
    difference, were the runs interchangeable.

    Source: sign-flip permutation test with the observed order counted in, Phipson & Smyth (2010), "Permutation
    p-values should never be zero".

    Raises:
        MetricError: The queries differ.
        EmptyMetricError: There are none.
    """
    first, second = first.ordered(), second.ordered()
    first.require_same(second)
    one, other = _sums(first), _sums(second)
    drawn = map(_means, np.hsplit(_resampled(np.hstack([one, other]), resamples, seed), 2))
    (mean, means), (other_mean, other_means) = zip(map(_means, (one.sum(0), other.sum(0))), drawn, strict=True)
    a, b = _named(mean, means, level), _named(other_mean, other_means, level)
    change = _named(other_mean - mean, other_means - means, level)
    p = _flipped((other - one)[:, :-1], resamples, seed)
    return {name: Comparison(a[name], b[name], change[name], p[i]) for i, name in enumerate(MEASURES)}


def _sums(queries: Queries) -> Sums:
    """The units of resampling; queries are ordered."""
    if not len(queries.table):
        raise EmptyMetricError("there are no queries")
    rank, triples = queries.table["rank"], queries.triples
    starts = np.flatnonzero(np.r_[True, (triples[1:] != triples[:-1]).any(1)])
    columns = np.column_stack([rank, 1 / rank, *(rank <= k for k in HITS), np.ones_like(rank)])
    return np.add.reduceat(columns, starts)


def _means(sums: Float64[np.ndarray, "*R M"]) -> Float64[np.ndarray, "*R C"]:
    return sums[..., :-1] / sums[..., -1:]


def _resampled(sums: Float64[np.ndarray, "n M"], resamples: int, seed: int) -> Float64[np.ndarray, "R M"]:
    """The sums over each resample of as many triples."""
    draw, size = np.random.default_rng(seed), len(sums)
    out = []
    for rows in _chunks(resamples, size):
        drawn = draw.integers(size, size=(rows, size)) + np.arange(rows)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        out.append(times.astype(float) @ sums)
    return np.concatenate(out)


def _flipped(differences: Float64[np.ndarray, "n C"], resamples: int, seed: int) -> list[float]:
    """The p of each column: how often its sum is as far from 0, with each row's sign drawn by chance."""
    draw, total = np.random.default_rng(seed), differences.sum(0)
    # Sums of the same numbers in another order differ in their last digits.
    far = np.abs(total) - 1e-12 * np.abs(differences).sum(0)
    as_far = np.ones(len(total))
    for rows in _chunks(resamples, len(differences)):
        kept = draw.integers(2, size=(rows, len(differences)), dtype=np.int8)
        as_far += (np.abs(2 * (kept.astype(float) @ differences) - total) >= far).sum(0)
    return (as_far / (resamples + 1)).tolist()


def _chunks(resamples: int, size: int) -> Iterator[int]:
    """Numbers of resamples that are drawn at a time."""
    most = max(1, CELLS // size)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def _named(values: Float64[np.ndarray, " C"], drawn: Float64[np.ndarray, "R C"], level: float) -> dict[str, Interval]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    rows = zip(MEASURES, values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Interval(*row) for name, *row in rows}
