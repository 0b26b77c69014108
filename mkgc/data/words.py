"""Words of running text with their places in it: words, numbers, marks, emoji, characters of Chinese and Japanese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from mkgc.data.examples import Span

CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
LETTER = rf"(?:(?![{CJK}])[\p{{L}}\p{{M}}\p{{N}}_][\u00ad\u200c\u200d]?)"
END = r"(?![\p{L}\p{N}_])"
BEGIN = r"(?<![\p{L}\p{N}_])"
CLITIC = rf"['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL){END}"
NOT = rf"[nN]['’][tT]{END}"
INSIDE = rf"(?:(?!{CLITIC})['’]|\.(?!\p{{Lu}}\p{{Ll}})|[-&/])"
"""What joins letters to one word: it's none where a sentence ends without a space ("Tiger.The")."""

FORMS = (
    r"(?<!\S)[wW]/(?!\S)",
    rf"(?:https?://|www\.)[^\s{CJK}\"”)]*[\p{{L}}\p{{N}}/…_]",
    r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    rf"{BEGIN}(?:[@#]|[$&](?=\p{{L}})){LETTER}+",  # @user, #topic, $AAPL, &amp
    r"(?:\p{L}\.){2,}(?:\p{L}(?![\p{L}\p{N}_]))?",  # U.S., P.O.P
    rf"{BEGIN}(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Sen|Rep|Gov|Lt|Col|Mt|vs)\.(?=\s)",
    rf"{BEGIN}\p{{Lu}}\.(?=\s+\p{{Lu}})",  # initials of names
    r"\p{N}+(?:[.,:/'-]\p{N}+)+",
    CLITIC,
    NOT,
    rf"(?:(?!{NOT}){LETTER})+(?:{INSIDE}(?:(?!{NOT}){LETTER})+)*",
    r"(?<!\S)[:;=]['-]?[)(DPpO/|*3]+(?!\S)",
    rf"[{CJK}]\p{{M}}*",
    r"\p{Regional_Indicator}{2}",
    r"(?=\p{Extended_Pictographic})\X",
    r"([\p{P}\p{S}])\k<1>*",
    r"[^\s\p{C}\p{Z}]\p{M}*",
)
"""The forms of words, the first that fits counts: as in the Penn Treebank where words and marks are concerned ("do",
"n't", "'s"), and as in corpora of tweets (links, names of users and topics, emoticons)."""

WORD = Split(Regex("|".join(f"(?:{form})" for form in FORMS)), "removed", invert=True)
ALONE = frozenset(".,:()[]\"'@#")


@dataclass(frozen=True)
class RawText:
    """A text as it was given, with the characters ``[start, end)`` of each of its words."""

    text: str
    offsets: tuple[Span, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in self.offsets)

    def chars(self, start: int, end: int) -> Span:
        """The characters of the words ``[start, end)``, and of what stands between these."""
        return Span(self.offsets[start].start, self.offsets[end - 1].end)

    def inside(self, chars: Span) -> Span:
        """The words that lie inside of characters; of none, an empty span."""
        held = [i for i, (start, end) in enumerate(self.offsets) if chars.start <= start and end <= chars.end]
        return Span(held[0], held[-1] + 1) if held else Span(0, 0)


def split_words(text: str, borders: Iterable[int] = ()) -> RawText:
    """Splits a text into words, at ``borders`` (numbers of characters) too.

    A text whose words and marks are already set apart by spaces, as in the corpora, is split at spaces alone: one in
    which more full stops and commas stand alone than end a word, or more marks than there are words that would be
    split. Characters that cannot be seen are no part of a word.

    >>> split_words("A Panda, don't you? 考拉").words
    ('A', 'Panda', ',', 'do', "n't", 'you', '?', '考', '拉')
    >>> split_words("A Panda (2008–2018) , seen .").words
    ('A', 'Panda', '(2008–2018)', ',', 'seen', '.')
    """
    found = [offsets for _, offsets in WORD.pre_tokenize_str(text)]
    chunks = [match.span() for match in re.finditer(r"\S+", text)]
    offsets = chunks if _spaced(text, chunks, {*found}) else found
    return RawText(text, tuple(part for start, end in offsets for part in _parts(start, end, borders)))


def show_words(words: Sequence[str], raw: RawText | None, span: Span) -> str:
    """The words of a span as one text: as it stands in ``raw``, else joined, those of Chinese without spaces.

    >>> show_words(("the", "考", "拉", "of", "Ada"), None, Span(1, 5))
    '考拉 of Ada'
    """
    return as_raw(words[span.start : span.end]).text if raw is None else raw.text[slice(*raw.chars(*span))]


def as_raw(words: Sequence[str]) -> RawText:
    """Words as one text, those of Chinese without spaces.

    >>> as_raw(["the", "考", "拉"])
    RawText(text='the 考拉', offsets=(Span(start=0, end=3), Span(start=4, end=5), Span(start=5, end=6)))
    """
    if not words:
        return RawText("", ())
    gaps = [0, *(not (_unspaced(one[-1]) and _unspaced(other[0])) for one, other in pairwise(words))]
    starts = [*accumulate(gap + size for gap, size in zip(gaps, [0, *map(len, words[:-1])], strict=True))]
    text = "".join(" " * gap + word for gap, word in zip(gaps, words, strict=True))
    return RawText(text, tuple(Span(start, start + len(word)) for start, word in zip(starts, words, strict=True)))


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(("CJK ", "HIRAGANA ", "KATAKANA", "IDEOGRAPHIC "))


def span_as_dict(words: Sequence[str], raw: RawText | None, span: Span) -> dict[str, Any]:
    """A span for an answer: the positions of its words, the words themselves, and their characters in ``raw``."""
    chars = {} if raw is None else {"char": [*raw.chars(*span)]}
    return {"start": span.start, "end": span.end, "text": show_words(words, raw, span)} | chars


def _spaced(text: str, chunks: Sequence[tuple[int, int]], found: set[tuple[int, int]]) -> bool:
    alone = [text[start] for start, end in chunks if end - start == 1 and text[start] in ALONE]
    split = [text[end - 1] for start, end in chunks if (start, end) not in found]
    return len(alone) > len(split) or _stops(alone) > _stops(split)


def _stops(marks: Sequence[str]) -> int:
    return sum(mark in ".," for mark in marks)


def _parts(start: int, end: int, borders: Iterable[int]) -> list[Span]:
    inner = sorted({border for border in borders if start < border < end})
    return [Span(*pair) for pair in pairwise([start, *inner, end])]
