"""Dependency trees of sentences: which word each word depends on, in words and in word pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mkgc.data.examples import Span
from mkgc.errors import DataError

Governors = tuple[int, ...]
"""For each word the number of the one that it depends on; -1 for a root."""


def parse_dependencies(value: Any, count: int, place: str) -> Governors:
    """A list of the HEAD column of CoNLL-U, a number a word: the governing word's, counted from 1, and 0 for a root.

    Raises:
        DataError: It is anything else.
    """
    if not isinstance(value, list | tuple) or len(value) != count or not all(type(head) is int for head in value):
        raise DataError(f"'dependencies' must be a list of {count} numbers, one a word, not {value!r:.60}", place)
    for word, head in enumerate(value, start=1):
        if not 0 <= head <= count or head == word:
            raise DataError(f"'dependencies' has {head} for word {word}: give 0 for a root, or another word", place)
    return tuple(head - 1 for head in value)


def within(governors: Governors | None, words: Span) -> Governors | None:
    """The governors of some words, numbered from the first of them; one outside is none."""
    if governors is None:
        return None
    inside = range(*words)
    return tuple(governors[word] - words.start if governors[word] in inside else -1 for word in inside)


def token_governors(governors: Governors, starts: Mapping[int, int], kept: Sequence[int], length: int) -> Governors:
    """The same among so many tokens; ``starts`` has the first piece of each word of which some are ``kept``.

    Words depend on first pieces, and further pieces on the first of their own word.
    """
    out = [-1] * length
    for word, start in starts.items():
        out[start] = starts.get(governors[word], -1)
        out[start + 1 : start + kept[word]] = [start] * (kept[word] - 1)
    return tuple(out)


def governor_rows(rows: Sequence[Governors | None], width: int) -> list[list[int]] | None:
    """The governors of a batch's tokens, of a sentence without a parse the token before; None where no one has any."""
    if all(row is None for row in rows):
        return None
    chain = [*range(-1, width - 1)]
    return [chain if row is None else [*row, *[-1] * (width - len(row))] for row in rows]
