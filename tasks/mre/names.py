"""Whether a mention's name is what stands at its position, in records that give both, as MNRE's do."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mkgc.data.examples import Span
from mkgc.data.formats import fields
from mkgc.errors import DataError

SHIFTS = {
    (-1, -1): "[start - 1, end - 1)",
    (1, 1): "[start + 1, end + 1)",
    (0, 1): "[start, end + 1)",
    (-1, 0): "[start - 1, end)",
}
"""Positions that were counted from 1, from another mark, or up to the last word instead of behind it."""


class Mention(NamedTuple):
    """A name as written, beside the span and the words of the sentence."""

    name: str
    span: Span
    tokens: tuple[str, ...]

    def stands_at(self, before: int = 0, behind: int = 0) -> bool:
        """Whether it stands at its position, moved; what is neither letter nor digit, and case, are no matter."""
        start, end = self.span.start + before, self.span.end + behind
        return start >= 0 and _plain("".join(self.tokens[start:end])) == _plain(self.name)


def named(record: Mapping[str, Any], keys: Sequence[str], place: str) -> list[Mention]:
    """The mentions under the keys that have a name beside their position.

    Raises:
        DataError: A field is of another kind.
    """
    tokens = fields.tokens(fields.need(record, "token", place), "token", place)
    found = []
    for key in keys:
        holder = fields.need(record, key, place)
        span = fields.span(fields.need(holder, "pos", place, key), len(tokens), key, place)
        name = holder.get("name")
        if isinstance(name, str) and name.strip():
            found.append(Mention(name, span, tokens))
    return found


def contradiction(wrong: Mention, records: Iterable[Mapping[str, Any]], keys: Sequence[str], place: str) -> DataError:
    """The error for a name that contradicts its position, with how many of the file's records have one such."""
    count, bad, fitting = 0, 0, set(SHIFTS)
    for record in records:
        count += 1
        try:
            mentions = named(record, keys, place)
        except DataError:  # a position beyond the sentence, as a shift makes some
            bad += 1
            continue
        strays = [mention for mention in mentions if not mention.stands_at()]
        bad += bool(strays)
        fitting = {shift for shift in fitting if all(mention.stands_at(*shift) for mention in strays)}
    (start, end), there = wrong.span, " ".join(wrong.tokens[wrong.span.start : wrong.span.end])
    said = f"the name '{wrong.name:.40}' is not what stands at [{start}, {end}), '{there:.40}'"
    hint = f"; {SHIFTS[min(fitting)]} fits them all" if fitting else ""
    remedy = "mend the positions, or leave the names out"
    return DataError(f"{said}; likewise in {bad:,} of {count:,} lines of the file{hint}: {remedy}", place)


def _plain(text: str) -> str:
    """The letters and digits; a text without any (an emoji) without its spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, folded)) or "".join(folded.split())
