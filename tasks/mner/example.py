"""A sentence with a tag a word, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.mentions import read_span
from mkgc.data.formats.records import SentenceRecord, read_sentence
from mkgc.data.parses import Governors
from mkgc.data.scenes import SceneGraph
from mkgc.data.words import RawText
from mkgc.errors import DataError

KEYS = {"tags", "spans"}


@dataclass(frozen=True)
class TaggedExample:
    """A sentence with a tag per token; ``tags`` is None when they are asked for, ``place`` where it stands, ``raw`` the
    text, if it came as one, ``scene`` the scene graph of its first image, if that has one and it is read,
    ``governors`` those of a parse."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    images: ImagePaths = field(default_factory=dict)
    place: str = field(default="", compare=False)
    raw: RawText | None = field(default=None, compare=False)
    scene: SceneGraph | None = field(default=None, compare=False)
    governors: Governors | None = field(default=None, compare=False)


def parse_tagged(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """``text`` or ``tokens``; ``tags`` and ``spans`` are passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    return _example(read_sentence(record, KEYS, folder, place))


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """The same with its ``tags``, one a word as written, or its ``spans``; raises likewise."""
    found = read_sentence(record, KEYS, folder, place, spans=("spans",))
    if ("tags" in record) == ("spans" in record):
        raise DataError("give one of 'tags' and 'spans'", place)
    tags = _tags(record["tags"], found, place) if "tags" in record else _spans(record["spans"], found, place)
    return replace(_example(found), tags=tags, place=place)


def _example(found: SentenceRecord) -> TaggedExample:
    return TaggedExample(
        found.id, found.tokens, None, found.images, raw=found.raw, scene=found.scene, governors=found.governors
    )


def _tags(value: Any, found: SentenceRecord, place: str) -> tuple[str, ...]:
    count = len(found.tokens)
    if not isinstance(value, list) or len(value) != count:
        said = f"{len(value)}" if isinstance(value, list) else f"{value!r:.40}"
        remedy = "" if found.raw is None else "; give the words as 'tokens', or 'spans'"
        raise DataError(f"'tags' must be a list of {count} tags, one a word, not {said}{remedy}", place)
    return tuple(fields.tag(tag, place) for tag in value)


def _spans(value: Any, found: SentenceRecord, place: str) -> tuple[str, ...]:
    """BIO tags of spans with a ``type``, as :func:`read_span` takes them; each word belongs to one at most."""
    if not isinstance(value, list):
        raise DataError(f"'spans' must be a list, not {value!r:.40}", place)
    tags = ["O"] * len(found.tokens)
    for item in value:
        kind = fields.need(item, "type", place, "spans")
        start, end = read_span(found, item, "spans", place)
        if not isinstance(kind, str) or not kind:
            raise DataError(f"'type' must be the name of an entity type, not {kind!r:.40}", place)
        if any(tag != "O" for tag in tags[start:end]):
            raise DataError(f"'spans' [{start}, {end}) overlaps another one: a word has one type at most", place)
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)
