"""What a test predicted of a tagged sentence, for `mkgc.report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mkgc.metrics.spans import bio_spans
from mkgc.training.recorded import short
from tasks.mner.example import TaggedExample
from tasks.mner.windows import scored_entities


def describe(
    example: TaggedExample, tags: Sequence[str], certain: Sequence[float], right: Sequence[float]
) -> dict[str, Any]:
    """The sentence's words, its entities and those that ``tags`` mark, with the probability of each.

    ``certain`` are the probabilities of the tags, ``right`` those of the gold ones; the sentence's is that of its least
    certain word.
    """
    gold, found = bio_spans(example.tags or ()), scored_entities(tags, certain)
    return {
        "tokens": [*example.tokens],
        "gold": [{"type": kind, "start": start, "end": end} for kind, start, end in gold],
        "predicted": [
            {"type": kind, "start": start, "end": end, "score": short(score)} for kind, start, end, score in found
        ],
        "score": short(min(certain)),
        "gold_score": short(min(right)),
        "counts": [len({*gold} & {one[:3] for one in found}), len(found), len(gold)],
    }
