"""Texts that are searched: one record a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mkgc.data.formats import jsonl
from mkgc.data.formats.records import visible
from mkgc.errors import DataError


class IndexedText(NamedTuple):
    """A text by its name, which is what the record calls it, or its line."""

    name: str
    text: str


def read_indexed_texts(path: Path) -> list[IndexedText]:
    """The texts of a JSONL file: ``text`` or a list ``lines``, with a ``title`` and an ``author`` where they are known.

    Raises:
        DataError: It is missing or empty, or a line is no such record.
    """
    records, places = jsonl.require_records(jsonl.read_records(path))
    return [_text(record, place) for record, place in zip(records, places, strict=True)]


def _text(record: dict[str, object], place: str) -> IndexedText:
    lines = record.get("lines", record.get("text"))
    lines = [lines] if isinstance(lines, str) else lines
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise DataError("a record has its 'text', or its 'lines', a list of texts", place)
    text = "\n".join(map(str, lines))
    if not visible(text):
        raise DataError("the text has nothing to be seen", place)
    named = [str(record[key]) for key in ("title", "author") if record.get(key)]
    return IndexedText(", ".join(named) or str(record.get("id", place)), text)
