"""Rows of cells between tabs, or between commas or semicolons in a file called `.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from mkgc.data.formats.text_files import read_lines
from mkgc.errors import DataError

Row = tuple[int, Sequence[str]]
"""The number of a line, and its cells."""

SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def table(path: Path) -> Iterator[Row]:
    """All rows, spaces around cells taken off.

    Raises:
        DataError: The file cannot be read, or quotation marks in it are not closed.
    """
    if path.suffix.lower() == ".csv":
        yield from _quoted(path)
    else:
        yield from ((number, [*map(str.strip, line.split("\t"))]) for number, line in read_lines(path))


def between(path: Path) -> str:
    """What stands between a file's cells, in words."""
    return SIGNS[_sign(path) if path.suffix.lower() == ".csv" else "\t"]


def _sign(path: Path) -> str:
    """The sign that occurs most often in the first line: spreadsheets write semicolons where commas are decimal."""
    first = next((line for _, line in read_lines(path)), "")
    return max(SIGNS, key=first.count)


def _quoted(path: Path) -> Iterator[Row]:
    rows = csv.reader((f"{line}\n" for _, line in read_lines(path)), delimiter=_sign(path), strict=True)
    try:
        for row in rows:
            yield rows.line_num, [" ".join(cell.split()) for cell in row]
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", path, rows.line_num) from error
