"""How sure measures are: intervals by the bootstrap, and whether two runs differ by more than chance.

Measures are made of sums over units, such as triples or sentences: units are drawn, and swapped, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

CELLS = 2**20
"""Numbers drawn at a time: some 30 MB, whatever the number of units and resamples."""

Sums = Float64[np.ndarray, "n M"]
"""A row a unit, a column each of what measures are made of."""


@dataclass(frozen=True)
class Measures:
    """The measures' ``names``, and what makes them ``of`` the sums over any units: an array ``[… M]`` to ``[… C]``."""

    names: tuple[str, ...]
    of: Callable[[Float64[np.ndarray, "*R M"]], Float64[np.ndarray, "*R C"]]


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


def bootstrap(sums: Sums, measures: Measures, resamples: int, seed: int, level: float = 0.95) -> dict[str, Interval]:
    """The measures with intervals that hold the truth with probability ``level``, had other units been drawn.

    Source: the percentile bootstrap, Efron & Tibshirani (1993), chapter 13.
    """
    values = measures.of(sums.sum(0))
    return _named(measures, values, measures.of(_resampled(sums, resamples, seed)), level)


def compare_paired(
    first: Sums, second: Sums, measures: Measures, resamples: int, seed: int, level: float = 0.95
) -> dict[str, Comparison]:
    """The measures of two runs on the same units, over the same resamples; ``p`` is that of :func:`p_values`."""
    drawn = np.hsplit(_resampled(np.hstack([first, second]), resamples, seed), 2)
    (one, ones), (other, others) = (
        (measures.of(sums.sum(0)), measures.of(each)) for sums, each in zip((first, second), drawn, strict=True)
    )
    a, b = _named(measures, one, ones, level), _named(measures, other, others, level)
    change = _named(measures, other - one, others - ones, level)
    p = p_values(first, second, measures, resamples, seed)
    return {name: Comparison(a[name], b[name], change[name], p[name]) for name in measures.names}


def _resampled(sums: Sums, resamples: int, seed: int) -> Float64[np.ndarray, "R M"]:
    """The sums over each resample of as many units."""
    draw, size = np.random.default_rng(seed), len(sums)
    out = []
    for rows in _chunks(resamples, size):
        drawn = draw.integers(size, size=(rows, size)) + np.arange(rows)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        out.append(times.astype(float) @ sums)
    return np.concatenate(out)


def p_values(first: Sums, second: Sums, measures: Measures, resamples: int, seed: int) -> dict[str, float]:
    """The two-sided p of each measure of two runs: how often it differs as much, were the runs interchangeable.

    Each unit's results are swapped or not by chance. Of a share of units, such as accuracy, that is McNemar's exact
    test, up to what is drawn.

    Source: permutation test of paired samples with the observed order counted in, Phipson & Smyth (2010), "Permutation
    p-values should never be zero"; of F1, Yeh (2000), "More accurate tests for the statistical significance of result
    differences".
    """
    draw, total, gain = np.random.default_rng(seed), first.sum(0) + second.sum(0), second - first
    one, other = measures.of(first.sum(0)), measures.of(second.sum(0))
    # Sums of the same numbers in another order differ in their last digits.
    far = np.abs(other - one) - 1e-11 * np.maximum(np.abs(one), np.abs(other))
    as_far = np.ones(len(measures.names))
    for rows in _chunks(resamples, len(first)):
        swap = draw.integers(2, size=(rows, len(first)), dtype=np.int8)
        mixed = first.sum(0) + swap.astype(float) @ gain
        as_far += (np.abs(measures.of(total - mixed) - measures.of(mixed)) >= far).sum(0)
    return dict(zip(measures.names, (as_far / (resamples + 1)).tolist(), strict=True))


def _chunks(resamples: int, size: int) -> Iterator[int]:
    """Numbers of resamples that are drawn at a time."""
    most = max(1, CELLS // size)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def _named(
    measures: Measures, values: Float64[np.ndarray, " C"], drawn: Float64[np.ndarray, "R C"], level: float
) -> dict[str, Interval]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    rows = zip(measures.names, values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Interval(*row) for name, *row in rows}
