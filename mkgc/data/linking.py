"""A dictionary entity linker: the names of entities, found in texts by an Aho-Corasick automaton."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind
from jaxtyping import Int

from mkgc.data.examples import Span

UNSPACED = (
    "CJK ", "HIRAGANA ", "KATAKANA", "IDEOGRAPHIC ", "BOPOMOFO ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TAI ",
    "NEW TAI ", "JAVANESE ", "BALINESE ", "YI ",
)  # fmt: skip
"""How Unicode's names of letters begin whose scripts do not set words apart."""

PARTICLES = ("HANGUL ",)
"""The same of scripts that set words apart, but write particles behind a noun: there a name need not end a word."""

JOINERS = frozenset("\u00ad\u200c\u200d")
"""Invisible characters within a word: soft hyphen, zero-width joiner and non-joiner."""

HALF = re.compile("[\ud800-\udfff]")


class LinkedMention(NamedTuple):
    """The characters ``[start, end)`` of a text, and the entity that they name."""

    start: int
    end: int
    entity: str


class EntityLinker:
    """Finds the mentions of entities in texts: from left to right, the longest name that begins at each place.

    ``names`` are all that entities are called, each once; ``owners`` are the numbers of the entities that they stand
    for (:func:`mkgc.data.names.choose_owners`). A name is found as it is written, with its case, and only where words
    begin and end (:func:`divides`). What overlaps a mention that is found already is passed over.
    """

    def __init__(self, names: Sequence[str], owners: Int[np.ndarray, " N"], entities: Sequence[str]) -> None:
        self.names, self.owners, self.entities = names, owners, entities
        # Standard, since a name may be found only to be no whole word: then a shorter one is, if any.
        self._automaton = AhoCorasick(
            names, matchkind=MatchKind.Standard, store_patterns=False, implementation=Implementation.ContiguousNFA
        )

    def link(self, text: str, words: Sequence[Span] | None = None) -> list[LinkedMention]:
        """The mentions in a text, in their order; with its ``words`` given, those that are whole ones of these."""
        starts, ends = (None, None) if words is None else ({w.start for w in words}, {w.end for w in words})
        found = [
            (start, -end, name)
            for name, start, end in self._automaton.find_matches_as_indexes(_whole(text), overlapping=True)
            if (starts is None or start in starts) and (ends is None or end in ends) and _stands_alone(text, start, end)
        ]
        mentions, at = [], 0
        for start, end, name in sorted(found):
            if start >= at:
                at = -end
                mentions.append(LinkedMention(start, at, self.entities[self.owners[name]]))
        return mentions


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether words begin and end where the characters do."""
    return (start == 0 or divides(text[start - 1], text[start])) and (
        end == len(text) or divides(text[end - 1], text[end], name_ends=True)
    )


@lru_cache(1 << 16)
def divides(before: str, after: str, name_ends: bool = False) -> bool:
    """Whether a name may begin, or end (``name_ends``), between two characters.

    It may not within a sign (before a combining mark), nor between letters or digits of a word, where the script sets
    words apart.

    >>> divides("e", "s"), divides("e", "'"), divides("马", "的"), divides("a", "的"), divides("로", "는", True)
    (False, True, True, True, True)
    """
    if after in JOINERS or before in JOINERS or unicodedata.category(after)[0] == "M":
        return False
    if not (_in_word(before) and _in_word(after)):
        return True
    if name_ends and _begins(after, PARTICLES):
        return True
    return _begins(before, UNSPACED) or _begins(after, UNSPACED)


def _in_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def _begins(character: str, scripts: tuple[str, ...]) -> bool:
    return unicodedata.name(character, "").startswith(scripts)


def _whole(text: str) -> str:
    """The text without half characters, which no name has."""
    return text if text.isascii() or not HALF.search(text) else HALF.sub("\ufffd", text)
