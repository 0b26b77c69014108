"""Sentences whose mentions stand between markers, cut so that the words around them are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from mkgc.data.cutting import Cut, cut_words, describe_cut
from mkgc.data.examples import Span
from mkgc.data.tokens import Tokenizer
from mkgc.data.words import RawText
from mkgc.errors import ConfigError

MARK = -1
"""The number of the word that a mark is a piece of, which is none."""

PUNCTUATION = "@#"
"""Known pieces on both sides of a first and a second mention. Source: Zhou and Chen (2022), An Improved Baseline for
Sentence-level Relation Extraction, where they do better than new tokens."""

Markers = Literal["new", "punctuation", "released", "none"]
"""New tokens, punctuation, new ones where MKGformer's released code puts them, or none."""


class MarkedText(NamedTuple):
    """Ids from [CLS] to [SEP]; ``words`` are the numbers of the words that they are pieces of, -1 of marks.

    ``opened`` are the positions of markers by their numbers, ``starts`` those of the first pieces of words that are
    read; of each word so many pieces are ``kept``, and ``cut`` says what is not.
    """

    ids: tuple[int, ...]
    words: tuple[int, ...]
    opened: Mapping[int, int]
    starts: Mapping[int, int]
    kept: Sequence[int]
    cut: Cut | None


def marker_ids(tokenizer: Tokenizer, markers: Markers, count: int) -> list[int]:
    """The ids of so many markers, an opening and a closing one for each mention.

    Raises:
        ConfigError: The vocabulary has no such punctuation.
    """
    if markers != "punctuation":
        return [tokenizer.size + i for i in range(count)]
    known = [tokenizer.pieces([mark])[0][-1] for mark in PUNCTUATION[: count // 2] for _ in range(2)]
    if tokenizer.unknown in known:
        raise ConfigError("task.data.markers=punctuation: the vocabulary lacks @ or #; use new ones")
    return known


def marker_table(markers: Markers, count: int) -> dict[str, int]:
    """The table of new tokens that so many markers need."""
    return {} if markers in ("punctuation", "none") else {"markers": count}


def markers_before(spans: Sequence[Span]) -> dict[int, list[int]]:
    """The numbers of markers before each word (or behind the last); what ends there is closed before what begins.

    The n-th span's are 2 n and 2 n + 1.
    """
    before: dict[int, list[int]] = {}
    closing = [(span.end, 2 * number + 1) for number, span in enumerate(spans)]
    for position, marker in (*closing, *((span.start, 2 * number) for number, span in enumerate(spans))):
        before.setdefault(position, []).append(marker)
    return before


def mark_text(
    tokenizer: Tokenizer,
    tokens: Sequence[str],
    mentions: Mapping[str, Span],
    room: int,
    before: Mapping[int, Sequence[int]],
    markers: Sequence[int],
    raw: RawText | None = None,
) -> MarkedText:
    """The pieces of a sentence with markers, by their numbers, before words.

    Over ``room`` pieces, long words are cut, then those that are the farthest from all mentions are left out: of each
    mention a piece is left.
    """
    pieces = tokenizer.pieces(tokens)
    lengths, named = [len(own) for own in pieces], [range(*span) for span in mentions.values()]
    kept = cut_words(lengths, room, _nearest(len(pieces), named), needed=[word for words in named for word in words])
    ids, words = [tokenizer.start], [MARK]
    opened: dict[int, int] = {}
    starts: dict[int, int] = {}
    for word, own in enumerate([*pieces, []]):
        for marker in before.get(word, ()):
            opened[marker] = len(ids)
            ids.append(markers[marker])
            words.append(MARK)
        if own and kept[word]:
            starts[word] = len(ids)
            ids += own[: kept[word]]
        words += [word] * (len(ids) - len(words))
    cut = describe_cut(lengths, kept, zip(mentions, named, strict=True), raw)
    return MarkedText((*ids, tokenizer.stop), (*words, MARK), opened, starts, kept, cut)


def _nearest(count: int, mentions: Sequence[range]) -> list[int]:
    """So many words by their distance from the nearest mention; those of all, from the first ones on, come first."""

    def place(word: int) -> tuple[int, int]:
        inside = [word - mention.start for mention in mentions if word in mention]
        outside = [max(mention.start - word, word - mention.stop + 1, 0) for mention in mentions]
        return min(outside), min(inside, default=0)

    return sorted(range(count), key=place)
