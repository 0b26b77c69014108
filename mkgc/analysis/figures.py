"""Figures of retrieval, as tests record them query by query: with intervals, and of two runs.

A line of ``predictions.jsonl`` has in ``figures`` those of its queries, by the names that they have in the run's
figures (``t2i_R@1``, ``text_to_image/MRR``); of a query for which nothing was judged above 0 there are none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from mkgc.analysis.predictions import Predictions
from mkgc.analysis.resampling import Comparison, Measures, Sums, compare_paired

JOINED = {"mean_recall": r".*_R@\d+", "NDCG@5": r".*/NDCG@5", "MRR": r".*/MRR"}
"""Means of figures that are one, too: over both directions, of recalls also over ranks."""


def recorded(tested: Predictions) -> bool:
    """Whether a test recorded figures of single queries."""
    return any(row.figures for row in tested.rows)


def measures(tested: Predictions) -> Measures:
    """The mean of each figure over the queries that have it, before them those of ``JOINED``."""
    names = _names(tested)
    found = {joint: [i for i, name in enumerate(names) if re.fullmatch(own, name)] for joint, own in JOINED.items()}
    joined = {joint: rows for joint, rows in found.items() if rows}

    def means(sums: Float64[np.ndarray, "*R M"]) -> Float64[np.ndarray, "*R C"]:
        values, counts = np.split(sums, 2, axis=-1)
        each = np.divide(values, counts, out=np.zeros_like(values), where=counts > 0)
        return np.concatenate([*(each[..., rows].mean(-1, keepdims=True) for rows in joined.values()), each], axis=-1)

    return Measures((*joined, *names), means)


def pool(runs: Sequence[Predictions]) -> Sums:
    """Of each query the sums of its figures and whether it has them, means over the runs.

    Raises:
        MetricError: The queries differ.
    """
    names = _names(runs[0])
    for run in runs:
        runs[0].require_same(run)
    rows = [[[row.figures.get(name) for name in names] for row in run.rows] for run in runs]
    values = np.array(rows, dtype=float)  # None: NaN
    there = ~np.isnan(values)
    sums: Sums = np.concatenate([np.where(there, values, 0), there], axis=-1).mean(0)
    return sums


def compare(
    first: Sequence[Predictions], second: Sequence[Predictions], resamples: int = 1000, seed: int = 0
) -> dict[str, Comparison]:
    """The measures of two systems, each of one run or more, on the same queries (:func:`compare_paired`).

    Raises:
        MetricError: The queries differ.
    """
    first[0].require_same(second[0])
    return compare_paired(pool(first), pool(second), measures(first[0]), resamples, seed)


def _names(tested: Predictions) -> list[str]:
    return [*dict.fromkeys(name for row in tested.rows for name in row.figures)]
