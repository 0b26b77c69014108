"""What a test predicted of a sentence with two mentions, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mkgc.data.words import show_words
from mkgc.relations.example import RelationExample
from mkgc.training.recorded import short


def describe(example: RelationExample, probabilities: Mapping[str, float], null: str | None) -> dict[str, Any]:
    """The example's mentions, relations and probabilities; the ``null`` relation does not count."""
    gold, predicted = str(example.relation), max(probabilities, key=probabilities.__getitem__)
    counts = gold == predicted != null, predicted != null, gold != null
    ends = {"head": example.head, "tail": example.tail}
    return {
        **{end: show_words(example.tokens, example.raw, span) for end, span in ends.items()},
        "gold": gold,
        "predicted": predicted,
        "score": short(probabilities[predicted]),
        "gold_score": short(probabilities[gold]),
        "scores": {relation: short(value) for relation, value in probabilities.items()},
        "counts": [int(one) for one in counts],
    }
