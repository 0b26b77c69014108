"""People's own records: one JSON object a line, in the form that the README shows for each task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkgc.data.examples import Pictures, RelationExample, Span, TaggedExample
from mkgc.data.formats import fields
from mkgc.data.formats.files import read_lines
from mkgc.errors import DataError

GROUPS = frozenset({"image", "crops", "objects"})
TRIPLE = ("head", "relation", "tail")


@dataclass(frozen=True)
class Described:
    """An entity that the graph does not have; ``images`` are as written, relative to the folder of the input."""

    name: str
    description: str = ""
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LinkQuery:
    """A triple of which one part is missing; that one is None. Text is an id or a name of the graph's."""

    head: str | Described | None
    relation: str | None
    tail: str | Described | None


def read_records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The objects of a file, and for each its place (file and line).

    Raises:
        DataError: There is no such file, or a line is not a JSON object, or there is none.
    """
    records, places = [], []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"is not JSON: {error.msg} at column {error.colno}", path, number) from None
        if not isinstance(record, dict):
            raise DataError(f"must be a JSON object, not {line.strip()[:40]}", path, number)
        records.append(record)
        places.append(f"{path}:{number}")
    if not records:
        raise DataError("is empty", path)
    return records, places


def parse_relation(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """``text`` or ``tokens``, with ``head`` and ``tail`` as positions or as words of it; ``relation`` is passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    _known(record, {"text", "tokens", "head", "tail", "relation"}, place)
    words = _words(record, place)
    head, tail = (_mention(fields.need(record, key, place), words, key, place) for key in ("head", "tail"))
    return RelationExample(str(record.get("id", place)), words, head, tail, None, _pictures(record, folder, place))


def parse_tagged(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """``text`` or ``tokens``; ``tags`` and ``spans`` are passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    _known(record, {"text", "tokens", "tags", "spans"}, place)
    words = _words(record, place)
    return TaggedExample(str(record.get("id", place)), words, None, _pictures(record, folder, place))


def parse_query(record: Mapping[str, Any], place: str) -> LinkQuery:
    """Two of ``head``, ``relation`` and ``tail``, each by id or by name; an unseen head or tail as an object.

    Raises:
        DataError: Something is missing or of another kind.
    """
    if strange := record.keys() - {"id", *TRIPLE}:
        raise DataError(f"no such key: '{min(strange)}'; a query has two of {', '.join(TRIPLE)}", place)
    given = [key for key in TRIPLE if record.get(key) is not None]
    if len(given) != 2:
        here = ", ".join(f"'{key}'" for key in given) if given else "none"
        raise DataError(f"give two of {', '.join(TRIPLE)}, the third is what is asked for; given: {here}", place)
    head, tail = (_entity(record.get(key), key, place) for key in ("head", "tail"))
    relation = record.get("relation")
    if relation is not None and not isinstance(relation, str):
        raise DataError(f"'relation' must be text, not {relation!r:.40}", place)
    return LinkQuery(head, relation, tail)


def _entity(value: Any, key: str, place: str) -> str | Described | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"'{key}' must be text, or an object with a name, not {value!r:.40}", place)
    if strange := value.keys() - {"name", "description", "images"}:
        raise DataError(f"no such key in '{key}': '{min(strange)}'; there are name, description, images", place)
    name, description = fields.need(value, "name", place, key), value.get("description", "")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"'name' in '{key}' must be text that is not empty, not {name!r:.40}", place)
    if not isinstance(description, str):
        raise DataError(f"'description' in '{key}' must be text, not {description!r:.40}", place)
    files = _files(value.get("images", []), f"'images' in '{key}'", place)
    return Described(name, description, tuple(map(Path, files)))


def _known(record: Mapping[str, Any], keys: set[str], place: str) -> None:
    if strange := record.keys() - keys - GROUPS - {"id"}:
        known = ", ".join(sorted(keys | GROUPS | {"id"}))
        raise DataError(f"no such key: '{min(strange)}'; there are {known}", place)


def _words(record: Mapping[str, Any], place: str) -> tuple[str, ...]:
    if ("text" in record) == ("tokens" in record):
        raise DataError("give one of 'text' and 'tokens'", place)
    if "tokens" in record:
        return fields.tokens(record["tokens"], "tokens", place)
    text = record["text"]
    if not isinstance(text, str) or not text.split():
        raise DataError(f"'text' must be a sentence, not {text!r:.40}", place)
    return fields.tokens(text.split(), "text", place)


def _mention(value: Any, words: tuple[str, ...], key: str, place: str) -> Span:
    """A span given by its positions, or by words that stand in the sentence just once."""
    if not isinstance(value, str):
        return fields.span(value, len(words), key, place)
    wanted = tuple(value.split())
    starts = [i for i in range(len(words)) if wanted and words[i : i + len(wanted)] == wanted]
    if len(starts) != 1:
        times = "does not stand" if not starts else f"stands {len(starts)} times"
        raise DataError(f"'{key}' \"{value}\" {times} in the sentence as whole words: give [start, end)", place)
    return Span(starts[0], starts[0] + len(wanted))


def _pictures(record: Mapping[str, Any], folder: Path, place: str) -> Pictures:
    groups = sorted(GROUPS & record.keys())
    return {group: tuple(folder / file for file in _files(record[group], f"'{group}'", place)) for group in groups}


def _files(value: Any, what: str, place: str) -> list[str]:
    files = [value] if isinstance(value, str) else value
    if not isinstance(files, list) or not all(isinstance(file, str) and file for file in files):
        raise DataError(f"{what} must be the name of a file or a list of such, not {value!r:.40}", place)
    return files
