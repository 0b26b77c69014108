"""A sentence with a tag a word, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.records import read_sentence
from mkgc.errors import DataError


@dataclass(frozen=True)
class TaggedExample:
    """A sentence with a tag per token; ``tags`` is None when they are asked for, ``place`` where it stands."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    images: ImagePaths = field(default_factory=dict)
    place: str = field(default="", compare=False)


def parse_tagged(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """``text`` or ``tokens``; ``tags`` and ``spans`` are passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    found = read_sentence(record, {"tags", "spans"}, folder, place)
    return TaggedExample(found.id, found.tokens, None, found.images)


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """The same with its ``tags``, one a word as written, or its ``spans``; raises likewise."""
    example = parse_tagged(record, folder, place)
    if ("tags" in record) == ("spans" in record):
        raise DataError("give one of 'tags' and 'spans'", place)
    count = len(example.tokens)
    tags = _tags(record["tags"], count, place) if "tags" in record else _spans(record["spans"], count, place)
    return replace(example, tags=tags, place=place)


def _tags(value: Any, count: int, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != count:
        said = f"{len(value)}" if isinstance(value, list) else f"{value!r:.40}"
        raise DataError(f"'tags' must be a list of {count} tags, one a word, not {said}", place)
    return tuple(fields.tag(tag, place) for tag in value)


def _spans(value: Any, count: int, place: str) -> tuple[str, ...]:
    """BIO tags of spans {"start", "end", "type"} of words, where each word belongs to one span at most."""
    if not isinstance(value, list):
        raise DataError(f"'spans' must be a list, not {value!r:.40}", place)
    tags = ["O"] * count
    for item in value:
        limits = [fields.need(item, key, place, "spans") for key in ("start", "end")]
        start, end = fields.span(limits, count, "spans", place)
        kind = fields.need(item, "type", place, "spans")
        if not isinstance(kind, str) or not kind:
            raise DataError(f"'type' must be the name of an entity type, not {kind!r:.40}", place)
        if any(tag != "O" for tag in tags[start:end]):
            raise DataError(f"'spans' [{start}, {end}) overlaps another one: a word has one type at most", place)
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)
