"""A sentence with one mention that has types, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths, Span
from mkgc.data.formats import fields
from mkgc.data.formats.links import KEY, Link, read_links
from mkgc.data.formats.mentions import mention
from mkgc.data.formats.records import read_sentence
from mkgc.data.words import RawText
from mkgc.errors import DataError


@dataclass(frozen=True)
class TypingExample:
    """A sentence with a mention; ``types``, sorted, are None when they are asked for.

    ``links`` are the mentions of a graph's entities, None where nobody has linked any; ``raw`` is the text, if any.
    """

    id: str
    tokens: tuple[str, ...]
    mention: Span
    types: tuple[str, ...] | None = None
    links: tuple[Link, ...] | None = None
    images: ImagePaths = field(default_factory=dict)
    raw: RawText | None = field(default=None, compare=False)


def parse_mention(record: Mapping[str, Any], folder: Path, place: str) -> TypingExample:
    """``text`` or ``tokens``, with a ``mention`` and linked ``entities``; ``types`` are passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    found = read_sentence(record, {"mention", "types", KEY}, folder, place, spans=("mention", KEY))
    span, links = mention(found, "mention", place), read_links(found, place)
    return TypingExample(found.id, found.tokens, span, None, links, found.images, found.raw)


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> TypingExample:
    """The same with its ``types``, one at least; raises likewise."""
    types = fields.need(record, "types", place)
    if not isinstance(types, list | tuple) or not types or not all(isinstance(one, str) and one for one in types):
        raise DataError(f"'types' must be a list of names, one at least, not {types!r:.40}", place)
    return replace(parse_mention(record, folder, place), types=tuple(sorted({*types})))
