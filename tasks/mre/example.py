"""A sentence with two marked mentions, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths, Span
from mkgc.data.formats import fields
from mkgc.data.formats.mentions import mention
from mkgc.data.formats.records import read_sentence
from mkgc.data.parses import Governors
from mkgc.data.scenes import SceneGraph
from mkgc.data.words import RawText
from mkgc.errors import DataError


@dataclass(frozen=True)
class RelationExample:
    """A sentence that names a head and a tail; ``relation`` is None when it is asked for, ``raw`` the text, if any.

    ``scene`` is the scene graph of its first image, if that has one and it is read, ``governors`` those of a parse.
    """

    id: str
    tokens: tuple[str, ...]
    head: Span
    tail: Span
    relation: str | None = None
    images: ImagePaths = field(default_factory=dict)
    raw: RawText | None = field(default=None, compare=False)
    scene: SceneGraph | None = field(default=None, compare=False)
    governors: Governors | None = field(default=None, compare=False)


def parse_relation(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """``text`` or ``tokens``, with ``head`` and ``tail`` as :func:`mention` takes them; ``relation`` is passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    found = read_sentence(record, {"head", "tail", "relation"}, folder, place, spans=("head", "tail"))
    head, tail = (mention(found, key, place) for key in ("head", "tail"))
    return RelationExample(
        found.id, found.tokens, head, tail, None, found.images, found.raw, found.scene, found.governors
    )


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """The same with its ``relation``; raises likewise."""
    example = parse_relation(record, folder, place)
    relation = fields.need(record, "relation", place)
    if not isinstance(relation, str) or not relation:
        raise DataError(f"'relation' must be the name of one, not {relation!r:.40}", place)
    return replace(example, relation=relation)
