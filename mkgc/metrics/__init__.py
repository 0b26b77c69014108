"""Evaluation, one subject a file; metrics sum over batches and devices."""

from __future__ import annotations

from mkgc.errors import MkgcError


class MetricError(MkgcError):
    """Predictions that cannot be evaluated."""


class EmptyMetricError(MetricError):
    """A metric was asked for before it had seen an example: it has no value, not even 0."""


def precision_recall_f1(true_positives: int, predicted: int, gold: int) -> dict[str, float]:
    """The three measures from counts; by convention each is 0 where its denominator is."""
    return {
        "precision": true_positives / predicted if predicted else 0.0,
        "recall": true_positives / gold if gold else 0.0,
        "f1": 2 * true_positives / (predicted + gold) if predicted + gold else 0.0,
    }
