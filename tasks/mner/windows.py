"""Sentences that are too long for the encoder are read in windows that overlap, so that no word is passed over."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from mkgc.metrics.spans import bio_spans

Entity = tuple[str, int, int, float]
"""An entity's type, the words ``[start, end)`` and its score."""


def scored_entities(tags: Sequence[str], certain: Sequence[float]) -> list[Entity]:
    """The entities that tags mark, each with the mean of its words' probabilities."""
    return [(kind, start, end, sum(certain[start:end]) / (end - start)) for kind, start, end in bio_spans(tags)]


@dataclass(frozen=True)
class Window:
    """Words that are read together, and those of them with which an entity begins that is this window's to name."""

    read: range
    names: range


def windows(lengths: Sequence[int], room: int) -> list[Window]:
    """Windows over words of so many pieces, none of them of more than ``room`` in all.

    Each shares up to half of its pieces with the next, and the words up to the middle of what they share are its to
    name. So wherever a word stands, it is read with about a quarter of the room on either side of it, if there is that
    much. No word may be longer than a quarter of the room, but for words of one piece.
    """
    ends = [*accumulate(lengths, initial=0)]
    read = [range(0, bisect_right(ends, room) - 1)]
    while read[-1].stop < len(lengths):
        first = bisect_left(ends, ends[read[-1].stop] - room // 2, lo=read[-1].start + 1)
        read.append(range(first, bisect_right(ends, ends[first] + room) - 1))
    middles = [(later.start + earlier.stop + 1) // 2 for earlier, later in pairwise(read)]
    borders = pairwise([0, *middles, len(lengths)])
    return [Window(words, range(*pair)) for words, pair in zip(read, borders, strict=True)]


def join_windows(found: Iterable[tuple[Window, Sequence[Entity]]]) -> list[Entity]:
    """The entities of a sentence from those of its windows, whose words are numbered from the window's first.

    An entity is named by the window that has its first word in the middle, and goes before one that begins inside it.
    """
    joined: list[Entity] = []
    for window, entities in found:
        for kind, start, end, score in entities:
            first, last = window.read.start + start, window.read.start + end
            if first in window.names and (not joined or joined[-1][2] <= first):
                joined.append((kind, first, last, score))
    return joined
