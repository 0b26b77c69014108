"""A sentence of a corpus, and the record in which it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths, Span
from mkgc.data.formats.links import KEY, Links, read_links
from mkgc.data.formats.mentions import read_span
from mkgc.data.formats.records import read_sentence
from mkgc.data.words import RawText
from mkgc.errors import DataError

MASK = "mask"
"""The key of a record that holds words to be filled in."""


@dataclass(frozen=True)
class CorpusExample:
    """A sentence, or several; ``links`` are its mentions of entities (None: the linker is to find them).

    ``hidden`` are words that are asked for, in a user's record.
    """

    id: str
    tokens: tuple[str, ...]
    links: Links | None = None
    raw: RawText | None = field(default=None, compare=False)
    hidden: tuple[Span, ...] = ()
    images: ImagePaths = field(default_factory=dict)


def parse_sentence(record: Mapping[str, Any], folder: Path, place: str) -> CorpusExample:
    """``text`` or ``tokens``, with ``entities`` as :func:`read_links` takes them.

    Raises:
        DataError: Something is missing or of another kind.
    """
    found = read_sentence(record, {KEY}, folder, place, spans=(KEY,))
    return CorpusExample(found.id, found.tokens, read_links(found, place), found.raw)


def parse_asked(record: Mapping[str, Any], folder: Path, place: str) -> CorpusExample:
    """The same, in which the words at the spans of a list ``mask`` are to be filled in; raises likewise."""
    found = read_sentence(record, {KEY, MASK}, folder, place, spans=(KEY, MASK))
    asked = found.fields.get(MASK, [])
    if not isinstance(asked, list):
        raise DataError(f"'{MASK}' must be a list of spans of words, not {asked!r:.40}", place)
    hidden = tuple(sorted({read_span(found, one, MASK, place) for one in asked}))
    return CorpusExample(found.id, found.tokens, read_links(found, place), found.raw, hidden)
