"""The measures of recorded predictions: with intervals, of two runs, by class, by length, with and without images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from mkgc.analysis.breakdown import Change
from mkgc.analysis.predictions import Answer, Entity, Prediction, Predictions, answers
from mkgc.analysis.resampling import Comparison, Measures, Sums, compare_paired
from mkgc.metrics import precision_recall_f1

LENGTHS = (10, 20, 30, 40)
"""The greatest numbers of words of the groups of sentences of like length; the last group is of longer ones."""

NOTHING = "nothing"
"""What stands beside an entity that was missed, or that is none."""


def _figures(sums: Float64[np.ndarray, "*R 5"]) -> Float64[np.ndarray, "*R 4"]:
    right, predicted, gold, exact, count = np.moveaxis(sums, -1, 0)
    pairs = (right, predicted), (right, gold), (2 * right, predicted + gold), (exact, count)
    parts = [np.divide(part, whole, out=np.zeros_like(part), where=whole > 0) for part, whole in pairs]
    return np.stack(parts, axis=-1)


def measures(labels: bool) -> Measures:
    """Micro precision, recall and F1, and the share of examples that are wholly right, of :attr:`Predictions.sums`.

    A measure whose denominator is 0 is 0, as in training.
    """
    return Measures(("precision", "recall", "f1", "accuracy" if labels else "exact match"), _figures)


def compare(
    first: Sequence[Predictions], second: Sequence[Predictions], resamples: int = 1000, seed: int = 0
) -> dict[str, Comparison]:
    """The measures of two systems, each of one run or more, tested on the same examples (:func:`compare_paired`).

    Of several runs, as of a system's seeds, each example counts with its mean over them.

    Raises:
        MetricError: The examples differ.
    """
    one, other = _pooled(first, second)
    return compare_paired(one, other, measures(first[0].labels), resamples, seed)


def pool(runs: Sequence[Predictions]) -> Sums:
    """The sums of each example, means over the runs.

    Raises:
        MetricError: The examples differ.
    """
    (sums,) = _pooled(runs)
    return sums


def _pooled(*systems: Sequence[Predictions]) -> list[Sums]:
    """The sums of each example, means over a system's runs."""
    for run in (run for runs in systems for run in runs):
        systems[0][0].require_same(run)
    return [np.mean([run.sums for run in runs], axis=0) for runs in systems]


class Counts(NamedTuple):
    """How often a class was predicted rightly, predicted, and right."""

    right: int
    predicted: int
    gold: int


def class_counts(rows: Iterable[Prediction]) -> dict[str, Counts]:
    """The counts of each class, also of one that the metric does not count, in the order of their names."""
    found: dict[str, list[int]] = {}
    for row in rows:
        gold, predicted = {*answers(row.gold)}, {*answers(row.predicted)}
        for i, part in enumerate((gold & predicted, predicted, gold)):
            for one in part:
                found.setdefault(_class(one), [0, 0, 0])[i] += 1
    return {name: Counts(*found[name]) for name in sorted(found)}


def _class(one: str | Entity) -> str:
    return one if isinstance(one, str) else one.type


def uncounted(rows: Iterable[Prediction]) -> set[str]:
    """The labels that the metric does not count: that of no relation."""
    return {row.gold for row in rows if isinstance(row.gold, str) and row.counts[2] == 0}


def confusions(rows: Iterable[Prediction]) -> list[tuple[str, str, int]]:
    """What was taken for what, and how often, the most frequent first.

    An entity that is missed is taken for the wrong one that overlaps it most: of another type, with other ends, or
    both. One mention may have several types: then each is an entity of its own.
    """
    pairs = Counter(pair for row in rows for pair in _confused(row.gold, row.predicted))
    return [(*pair, times) for pair, times in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))]


def _confused(gold: Answer, predicted: Answer) -> Iterator[tuple[str, str]]:
    if isinstance(gold, str) or isinstance(predicted, str):
        if gold != predicted:
            yield str(gold), str(predicted)
        return
    missed, wrong = sorted({*gold} - {*predicted}), sorted({*predicted} - {*gold})
    for one in missed:
        other = max(wrong, key=lambda found: _overlap(one, found), default=None)
        if other is None or not _overlap(one, other):
            yield one.type, NOTHING
        else:
            yield one.type, other.type if one[1:] == other[1:] else f"{other.type} with other ends"
    for found in wrong:
        if not any(_overlap(one, found) for one in missed):
            yield NOTHING, found.type


def _overlap(one: Entity, other: Entity) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


Masks = dict[str, Bool[np.ndarray, " n"]]
"""Groups of examples by their names; none is empty."""


def groups(runs: Sequence[Predictions]) -> Masks:
    """Examples with and without images, and by length; an image counts if any of the runs was shown it."""
    shown = np.any([[row.illustrated for row in run.rows] for run in runs], axis=0)
    found = {"with images": shown, "without images": ~shown}
    lengths = by_length(np.array([len(row.words) for row in runs[0].rows]))
    return {name: mask for name, mask in found.items() if mask.any()} | lengths


def by_length(words: Int[np.ndarray, " n"]) -> Masks:
    """Texts by their numbers of words."""
    names = [f"{low + 1} to {high} words" for low, high in pairwise((0, *LENGTHS))]
    group = np.searchsorted(LENGTHS, words)
    found = {name: group == i for i, name in enumerate([*names, f"more than {LENGTHS[-1]} words"])}
    return {name: mask for name, mask in found.items() if mask.any()}


def changes(first: Sequence[Predictions], second: Sequence[Predictions]) -> tuple[list[Change], list[Change]]:
    """The F1 of groups of examples in two systems, and that of classes, those first that change it most.

    Raises:
        MetricError: The examples differ.
    """
    one, other = _pooled(first, second)
    alike = [
        _change(name, int(mask.sum()), *(float(_figures(sums[mask].sum(0))[2]) for sums in (one, other)))
        for name, mask in groups([*first, *second]).items()
    ]
    counted = [class_counts(row for run in runs for row in run.rows) for runs in (first, second)]
    left = uncounted(first[0].rows)
    classes = [
        _change(name, _support(counted, name) // len(first), *(_f1(counts.get(name)) for counts in counted))
        for name in sorted({*counted[0], *counted[1]} - left)
    ]
    return alike, sorted(classes, key=lambda change: change.weight, reverse=True)


def _support(counted: Sequence[dict[str, Counts]], name: str) -> int:
    return counted[0][name].gold if name in counted[0] else 0


def _f1(counts: Counts | None) -> float:
    return precision_recall_f1(*counts)["f1"] if counts else 0.0


def _change(name: str, count: int, first: float, second: float) -> Change:
    return Change(name, count, first, second, second - first)
