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


@dataclass(frozen=True)
class LinkQuery:
    """A triple of which one entity is missing; that one is None."""

    head: str | None
    relation: str
    tail: str | None


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
    """``relation`` and one of ``head`` and ``tail``, each by id or by name.

    Raises:
        DataError: Something is missing or of another kind.
    """
    if strange := record.keys() - {"id", "head", "relation", "tail"}:
        raise DataError(f"no such key: '{min(strange)}'; a query has head or tail, and relation", place)
    relation = fields.need(record, "relation", place)
    head, tail = record.get("head"), record.get("tail")
    if (head is None) == (tail is None):
        raise DataError("give one of 'head' and 'tail': the other is what is asked for", place)
    for key, value in (("relation", relation), ("head", head), ("tail", tail)):
        if value is not None and not isinstance(value, str):
            raise DataError(f"'{key}' must be text, not {value!r:.40}", place)
    return LinkQuery(head, relation, tail)


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
    pictures = {}
    for group in sorted(GROUPS & record.keys()):
        files = record[group]
        files = [files] if isinstance(files, str) else files
        if not isinstance(files, list) or not all(isinstance(file, str) and file for file in files):
            raise DataError(f"'{group}' must be the name of a file or a list of such, not {record[group]!r:.40}", place)
        pictures[group] = tuple(folder / file for file in files)
    return pictures
