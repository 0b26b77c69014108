"""Sets of pictures with names in several languages: emoji, Tux Paint's stamps, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.converted import Placed
from mkgc.data.formats.tables import table
from mkgc.data.formats.text_files import find
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

EMOJI_LANGUAGES = ("zh", "en")

STAMPS = {"zh": "caption_zh_CN", "zh_TW": "caption_zh_TW", "en": "caption_en"}
"""Languages of the captions of Tux Paint's stamps, and the titles of their columns."""

FLAGS = {"zh": "name_zh", "en": "name_en"}
"""The same of the names of countries."""


def emoji(root: Path, split: str, notes: list[Finding], keywords: bool = False) -> Iterator[Placed]:
    """Pictures of emoji with their CLDR short names (``emoji.jsonl``), and their keywords if asked for.

    A name is one picture's, but for a few; many a keyword is that of several.

    Raises:
        DataError: The file is missing, or a line is malformed.
    """
    records, places = jsonl.require_records(jsonl.read_records(find(root / "emoji.jsonl")))
    for record, place in zip(records, places, strict=True):
        texts = {one: [fields.need(record, one, place)] for one in EMOJI_LANGUAGES}
        if keywords:
            for one, listed in texts.items():
                listed += fields.tokens(fields.need(record, f"{one}_keywords", place), f"{one}_keywords", place)
        image = fields.need(record, "image", place)
        yield {"id": record.get("id"), "image": image, "texts": texts}, place


def stamps(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """Cut-out photographs of Tux Paint with captions (``captions.tsv``); raises as :func:`emoji` does."""
    for row, place in _rows(find(root / "captions.tsv"), {"path", *STAMPS.values()}):
        yield {"image": row["path"], "texts": _texts(row, STAMPS)}, place


def flags(root: Path, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """Flags of countries with their names (``countries.tsv``, ``png250px/``); raises as :func:`emoji` does."""
    for row, place in _rows(find(root / "countries.tsv"), {"cca2", *FLAGS.values()}):
        yield {"id": row["cca2"], "image": f"png250px/{row['cca2']}.png", "texts": _texts(row, FLAGS)}, place


def _texts(row: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, list[str]]:
    return {language: [row[title]] for language, title in columns.items() if row[title]}


def _rows(path: Path, needed: set[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    """The rows of a table by the titles in its first line, with their places."""
    titles: list[str] = []
    for number, row in table(path):
        if not titles:
            titles = [*row]
            if lacking := needed - {*titles}:
                raise DataError(f"its first line has no title '{min(lacking)}'", path, number)
        elif any(row):
            if len(row) != len(titles):
                raise DataError(f"{len(row)} columns instead of {len(titles)} between tabs", path, number)
            yield dict(zip(titles, row, strict=True)), f"{path}:{number}"
    if not titles:
        raise DataError("is empty", path)
