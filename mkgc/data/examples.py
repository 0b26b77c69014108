"""One record of a data set, as a reader returns it: text and labels in the file's own terms, images as paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.inspect.report import Finding

ImagePaths = Mapping[str, tuple[Path, ...]]
"""Group name (``image``, ``crops``, ``objects``) to the image files of that group, in order."""


class Span(NamedTuple):
    """Half-open range of token positions."""

    start: int
    end: int


@dataclass(frozen=True)
class RelationExample:
    """A sentence that names a head and a tail; ``relation`` is None when it is asked for."""

    id: str
    tokens: tuple[str, ...]
    head: Span
    tail: Span
    relation: str | None = None
    images: ImagePaths = field(default_factory=dict)


@dataclass(frozen=True)
class TaggedExample:
    """A sentence with a tag per token; ``tags`` is None when they are asked for, ``place`` where it stands."""

    id: str
    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    images: ImagePaths = field(default_factory=dict)
    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class Sentences:
    """A data set of sentences: all labels in their order, and each split's examples, all of one of the kinds above.

    ``notes`` say what its reader decided.
    """

    labels: tuple[str, ...]
    splits: Mapping[str, Sequence[Any]]
    notes: tuple[Finding, ...] = ()
