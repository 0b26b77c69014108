"""A sentence with two marked mentions, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths, Span
from mkgc.data.formats import fields
from mkgc.data.formats.mentions import mention
from mkgc.data.formats.records import SentenceRecord, read_sentence
from mkgc.data.parses import Governors
from mkgc.data.scenes import SceneGraph
from mkgc.data.words import RawText
from mkgc.errors import DataError

ENDS = ("head", "tail")


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


def relations(example: RelationExample) -> frozenset[str]:
    """The relation, if it is known."""
    return frozenset() if example.relation is None else frozenset({example.relation})


def read_pair(
    record: Mapping[str, Any], folder: Path, place: str, keys: Collection[str] = (), spans: Collection[str] = ()
) -> SentenceRecord:
    """The sentence of a record with ``head``, ``tail`` and perhaps ``relation``; ``keys`` and ``spans`` (of these) are
    the task's own.

    Raises:
        DataError: Something is missing or of another kind.
    """
    return read_sentence(record, {*ENDS, "relation", *keys}, folder, place, spans=(*ENDS, *spans))


def pair(found: SentenceRecord, place: str) -> dict[str, Any]:
    """The fields of an example, with ``head`` and ``tail`` as :func:`mention` takes them, and without its relation.

    Raises:
        DataError: A mention is missing, or of another kind.
    """
    ends = {key: mention(found, key, place) for key in ENDS}
    own = {name: getattr(found, name) for name in ("id", "tokens", "images", "raw", "scene", "governors")}
    return own | ends


def read_relation(record: Mapping[str, Any], place: str) -> str:
    """The ``relation`` of a labelled record.

    Raises:
        DataError: It is missing, or no name.
    """
    relation = fields.need(record, "relation", place)
    if not isinstance(relation, str) or not relation:
        raise DataError(f"'relation' must be the name of one, not {relation!r:.40}", place)
    return relation
