"""Spans of words in a record, as people write them: positions of tokens, characters of the text, or the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from mkgc.data.examples import Span
from mkgc.data.formats import fields
from mkgc.data.formats.records import SentenceRecord
from mkgc.data.near import NearTexts
from mkgc.data.words import show_words, split_words
from mkgc.errors import DataError

ALIKE = 0.75
"""How much of some words must be the same for others to be named instead: more than of ids, as a sentence has many."""


def mention(record: SentenceRecord, key: str, place: str) -> Span:
    """A span given as :func:`read_span` takes it, or by words that stand in the sentence just once.

    Raises:
        DataError: It is missing, or anything else.
    """
    value, words = fields.need(record.fields, key, place), record.tokens
    if not isinstance(value, str):
        return read_span(record, value, key, place)
    found = _find(value, words)
    if len(found) != 1:
        times = f"stands {len(found)} times" if found else "does not stand"
        like = "" if found else _like(value, record)
        raise DataError(
            f"'{key}' \"{value:.80}\" {times} in the sentence as whole words{like}: give {_remedy(record, found)}",
            place,
        )
    return found[0]


def read_span(record: SentenceRecord, value: Any, key: str, place: str) -> Span:
    """``[start, end)`` or ``{"start", "end"}`` of tokens, or ``{"char": [start, end)}`` of the record's text.

    Raises:
        DataError: It is anything else, or no word stands there.
    """
    if not isinstance(value, Mapping):
        return fields.span(value, len(record.tokens), key, place)
    if "char" not in value:
        limits = [fields.need(value, end, place, key) for end in ("start", "end")]
        return fields.span(limits, len(record.tokens), key, place)
    if record.raw is None:
        raise DataError(
            f"'{key}' names characters, and the record has 'tokens' and no 'text': give [start, end)", place
        )
    chars = fields.span(value["char"], len(record.raw.text), key, place, "character")
    words = record.raw.inside(chars)
    if words.start == words.end:
        raise DataError(f"'{key}' holds no word: {record.raw.text[chars.start : chars.end]!r:.40}", place)
    return words


def _find(value: str, words: Sequence[str]) -> list[Span]:
    """Where the words stand; where they do not as they are written, any whose letters between spaces are the same."""
    wanted = tuple(value.split())
    spans = [Span(i, i + len(wanted)) for i in range(len(words)) if wanted and words[i : i + len(wanted)] == wanted]
    return spans or _find_spelled(wanted, words)


def _find_spelled(wanted: tuple[str, ...], words: Sequence[str]) -> list[Span]:
    """The same of words that are split in another way: "don't" as "do n't", "大熊猫" as three."""
    place = {at: i for i, at in enumerate(accumulate(map(len, words), initial=0))}
    borders, text = [*accumulate(map(len, wanted), initial=0)], "".join(words)
    found, at = [], text.find("".join(wanted)) if wanted else -1
    while at >= 0:
        if all(at + border in place for border in borders):
            found.append(Span(place[at], place[at + borders[-1]]))
        at = text.find("".join(wanted), at + 1)
    return found


def _remedy(record: SentenceRecord, found: Sequence[Span]) -> str:
    if record.raw is None:
        return "[start, end)"
    places = [record.raw.chars(*span) for span in found[:2]]
    return " or ".join(f'{{"char": [{start}, {end}]}}' for start, end in places) or '{"char": [start, end)}'


def _like(value: str, record: SentenceRecord) -> str:
    """Words that hold those wanted, but for case, punctuation and invisible characters, or are much like them."""
    count, there = len(split_words(value).offsets), {_bare(word): word for word in reversed(record.tokens)}
    for start in range(len(record.tokens) - count + 1 if count > 1 else 0):
        words = show_words(record.tokens, record.raw, Span(start, start + count))
        there.setdefault(_bare(words), words)
    bare = _bare(value)
    near = [key for key in there if bare and bare in key] or NearTexts(there).find(bare, ALIKE)
    if not near:
        return ""
    like = there[near[0]]
    return f" (there is {like:.40})" if like.isprintable() else f" (there is {like!a:.40}, with an invisible character)"


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
