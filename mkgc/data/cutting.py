"""Which pieces of a sentence are read where not all of them fit into ``data.max_length``."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np

from mkgc.data.examples import Span
from mkgc.data.words import RawText
from mkgc.errors import ConfigError
from mkgc.inspect.report import Finding

SPARED = 8
"""Pieces of an ordinary word: rather than that one loses any of these, words are left out."""


@dataclass(frozen=True)
class Cut:
    """The cut of a text: how many pieces it lost, the numbers of the words that lost some, and mentions.

    ``char`` are the stretches of a raw text that these words make up.
    """

    pieces: int
    words: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()
    mentions: tuple[str, ...] = ()
    char: tuple[Span, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a prediction; what does not apply is left out."""
        plain = asdict(self) | {"char": [[*stretch] for stretch in self.char]}
        return {name: value if name == "pieces" else [*value] for name, value in plain.items() if value}


def cut_words(lengths: Sequence[int], room: int, order: Sequence[int], needed: Sequence[int] = ()) -> list[int]:
    """How many pieces of each word are read, from its first on, so that no more than ``room`` are in all.

    Long words lose their ends before any word is left out: the longest first, and no more than makes the sentence fit.
    Only if it does not fit with all of them down to :data:`SPARED` pieces (an eighth of the room, where that is less)
    are words left out, the last in ``order`` first. Words that are ``needed`` keep up to a quarter of the room each.
    """
    if sum(lengths) <= room:
        return [*lengths]
    least = [max(1, min(SPARED, room // 8))] * len(lengths)
    for word in needed:
        least[word] = max(1, room // 4)
    longest = max(lengths)

    def shortened(cut: int) -> list[int]:
        return [min(length, max(longest - cut, spared)) for length, spared in zip(lengths, least, strict=True)]

    kept = shortened(bisect_left(range(longest), True, key=lambda cut: sum(shortened(cut)) <= room))
    for word in order:
        kept[word] = min(kept[word], room)
        room -= kept[word]
    return kept


def describe_cut(
    lengths: Sequence[int],
    kept: Sequence[int],
    mentions: Iterable[tuple[str, range]] = (),
    raw: RawText | None = None,
) -> Cut | None:
    """The cut of words of these lengths, of which so many pieces are kept; None if nothing was cut."""
    lost = [length - left for length, left in zip(lengths, kept, strict=True)]
    if not any(lost):
        return None
    return Cut(
        pieces=sum(lost),
        words=tuple(i for i, missing in enumerate(lost) if missing and kept[i]),
        unread=tuple(i for i, left in enumerate(kept) if not left),
        mentions=tuple(name for name, words in mentions if any(lost[word] for word in words)),
        char=() if raw is None else tuple(_stretches(lost, raw)),
    )


def _stretches(lost: Sequence[int], raw: RawText) -> Iterator[Span]:
    """The characters of words that follow each other and lost something."""
    for any_lost, group in groupby(range(len(lost)), key=lambda word: lost[word] > 0):
        if any_lost:
            first, *others = group
            yield raw.chars(first, (others or [first])[-1] + 1)


def note_cuts(split: str, cuts: Sequence[Cut | None], max_length: int) -> list[Finding]:
    """Summarises the cuts of a split's examples, of which one that lost nothing has no :class:`Cut`."""
    found = [cut for cut in cuts if cut is not None]
    if not found:
        return []
    suffered = sum(bool(cut.mentions) for cut in found)
    text = (
        f"{len(found):,} of {len(cuts):,} examples of {split} are longer than data.max_length={max_length} and are cut"
    )
    text += f"; {suffered:,} of them lose a part of a mention" if suffered else ""
    return [Finding("warning" if suffered or len(found) > 0.01 * len(cuts) else "info", text)]


def spread_over(part: Sequence[Any], most: int) -> list[Any]:
    """So many of a split's at most, spread over it."""
    return [part[row] for row in np.linspace(0, len(part) - 1, min(len(part), most)).astype(int).tolist()]


def check_room(max_length: int, least: int, why: str) -> None:
    """Checks that a text of the task can be read at all.

    Raises:
        ConfigError: It cannot.
    """
    if max_length < least:
        raise ConfigError(f"data.max_length={max_length} must be at least {least}: {why}")
