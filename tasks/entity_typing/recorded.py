"""What a test predicted of a mention's types, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mkgc.data.words import show_words
from mkgc.training.recorded import short
from tasks.entity_typing.example import TypingExample

TOLD = 5
"""Types beside the gold and the predicted ones whose probabilities are told."""


def describe(
    example: TypingExample, probabilities: Mapping[str, float], predicted: Collection[str], multi: bool
) -> dict[str, Any]:
    """The mention, its types and those that were predicted, each as a span of the mention where there may be several.

    The probability of several is that of the least likely of them.
    """
    gold, found = [*(example.types or ())], sorted(predicted)
    best = sorted(probabilities, key=lambda name: -probabilities[name])[:TOLD]
    told = [name for name in probabilities if name in {*gold, *found, *best}]
    return {
        "tokens": [*example.tokens],
        "mention": show_words(example.tokens, example.raw, example.mention),
        "gold": [_typed(example, name) for name in gold] if multi else gold[0],
        "predicted": [_typed(example, name) | {"score": short(probabilities[name])} for name in found]
        if multi
        else found[0],
        "score": short(min(probabilities[name] for name in found)),
        "gold_score": short(min(probabilities[name] for name in gold)),
        "scores": {name: short(probabilities[name]) for name in told},
        "counts": [len({*gold} & {*found}), len(found), len(gold)],
    }


def _typed(example: TypingExample, name: str) -> dict[str, Any]:
    return {"type": name, "start": example.mention.start, "end": example.mention.end}
