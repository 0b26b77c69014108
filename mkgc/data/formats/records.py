"""The fields that records of all tasks have in common: a sentence, and images beside the file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.locate import locate
from mkgc.data.formats.scene_graphs import parse_scene
from mkgc.data.parses import Governors, parse_dependencies
from mkgc.data.scenes import SceneGraph
from mkgc.data.words import RawText, split_words
from mkgc.errors import DataError

GROUPS = frozenset({"image", "crops", "objects"})
ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How a name begins that is not a file's."""


class SentenceRecord(NamedTuple):
    """A sentence with images; ``fields`` are all keys that have a value, ``raw`` is the text, if it came as one.

    ``scene`` is the scene graph of its first image, ``governors`` are those of a dependency tree, if it has one.
    """

    id: str
    tokens: tuple[str, ...]
    images: ImagePaths
    fields: dict[str, Any]
    raw: RawText | None
    scene: SceneGraph | None = None
    governors: Governors | None = None


def read_sentence(
    record: Mapping[str, Any], keys: set[str], folder: Path, place: str, spans: Collection[str] = ()
) -> SentenceRecord:
    """``text`` or ``tokens``, images relative to ``folder``, a ``scene`` graph and ``dependencies``; other ``keys`` are
    the task's own.

    A text is split into words (:func:`split_words`), and where a span of characters begins or ends that one of the keys
    in ``spans`` holds.

    Raises:
        DataError: Something is missing, of another kind, or of no known key.
    """
    given = fields.given(record, place)
    known = keys | GROUPS | {"id", "text", "tokens", "scene", "dependencies"}
    if strange := given.keys() - known:
        there = ", ".join(sorted(known))
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {there}", place)
    raw = _text(given, spans, place)
    words = fields.tokens(given["tokens"], "tokens", place) if raw is None else raw.words
    scene = parse_scene(given["scene"], place) if "scene" in given else None
    tree = parse_dependencies(given["dependencies"], len(words), place) if "dependencies" in given else None
    return SentenceRecord(str(given.get("id", place)), words, _images(given, folder, place), given, raw, scene, tree)


def visible(text: str) -> bool:
    """Whether a text has anything to be seen."""
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def files(value: Any, what: str, place: str) -> list[str]:
    """The name of a file, or a list of such.

    Raises:
        DataError: It is anything else, or the address of a page.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(file, str) and file for file in names):
        raise DataError(f"{what} must be the name of a file or a list of such, not {value!r:.40}", place)
    for file in names:
        if "\0" in file:
            raise DataError(f"{what} holds a NUL, which no name of a file has: {file!r:.40}", place)
        if scheme := ADDRESS.match(file):
            raise DataError(f"{what} is an address ({scheme[0]}…): images are read from files", place)
    return names


def _text(record: Mapping[str, Any], spans: Collection[str], place: str) -> RawText | None:
    if ("text" in record) == ("tokens" in record):
        raise DataError("give one of 'text' and 'tokens'", place)
    if "tokens" in record:
        return None
    text = record["text"]
    if not isinstance(text, str):
        raise DataError(f"'text' must be a sentence, not {text!r:.40}", place)
    borders = [border for key in spans for border in _borders(record.get(key), text, key, place)]
    raw = split_words(text, borders)
    if not raw.offsets:
        raise DataError(f"'text' must be a sentence, not {text!r:.40}", place)
    return raw


def _borders(value: Any, text: str, key: str, place: str) -> Iterator[int]:
    """Where spans of characters begin and end, be the value one or a list of some."""
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, Mapping) and "char" in item:
            yield from fields.span(item["char"], len(text), key, place, "character")


def _images(record: Mapping[str, Any], folder: Path, place: str) -> ImagePaths:
    groups = sorted(GROUPS & record.keys())
    named = ((group, files(record[group], f"'{group}'", place)) for group in groups)
    return {group: tuple(locate((folder,), file) for file in listed) for group, listed in named}
