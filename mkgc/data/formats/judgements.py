"""Lists that several systems have retrieved for the same queries, with graded judgements of what is in them.

The layout of PKG-Bert's evaluation (Li et al., 2022): a CSV whose first column is the query, and which has, for each
system, a column ``NAME@10`` (or ``NAME``) of what it lists, the best first, and a column ``NAME_score`` of the mean
judgements of it, numbers from 0 to 1; both are lists as Python writes them. ``None`` or ``nan`` is what nobody judged.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkgc.data.formats.text_files import read_lines
from mkgc.errors import DataError

SCORED = re.compile(r"(?P<system>.+)_scores?", re.IGNORECASE)
LISTED = re.compile(r"(?P<system>.+?)(@\d+)?")
LARGEST = 10_000_000
"""Characters of a cell: a list of ten long texts has more than the csv module reads by default."""


@dataclass(frozen=True)
class JudgedList:
    """What a system lists for a query, and the judgement of each item; None where there is none."""

    items: tuple[str, ...]
    judgements: tuple[float | None, ...]


@dataclass(frozen=True)
class JudgedLists:
    """The lists of each system, one a query, in the order of ``queries``; ``kind`` is the title of their column."""

    kind: str
    queries: tuple[str, ...]
    systems: Mapping[str, Sequence[JudgedList]]


def read_judgements(path: Path) -> JudgedLists:
    """The lists and judgements of a file.

    Raises:
        DataError: It is missing, is no such CSV, or a cell is no list as it should be.
    """
    rows = _rows(path)
    if not rows:
        raise DataError("is empty", path)
    titles = rows[0][1]
    columns = _columns(titles, path)
    if len(rows) == 1:
        raise DataError("has no query below its titles", path)
    found: dict[str, list[JudgedList]] = {system: [] for system in columns}
    for number, row in rows[1:]:
        if len(row) != len(titles):
            raise DataError(f"{len(row)} cells, and {len(titles)} titles", path, number)
        for system, (items, judgements) in columns.items():
            found[system].append(_judged(system, row[items], row[judgements], path, number))
    return JudgedLists(titles[0], tuple(row[0] for _, row in rows[1:]), found)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, with the numbers of their lines."""
    before = csv.field_size_limit(LARGEST)
    rows = csv.reader((f"{line}\n" for _, line in read_lines(path)), strict=True)
    try:
        return [(rows.line_num, row) for row in rows if any(row)]
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", path, rows.line_num) from error
    finally:
        csv.field_size_limit(before)


def _columns(titles: Sequence[str], path: Path) -> dict[str, tuple[int, int]]:
    """The columns of each system's lists and judgements."""
    if repeated := next((title for title in titles if titles.count(title) > 1), None):
        raise DataError(f"two columns have the title '{repeated}'", path, 1)
    scored = {found["system"]: i for i, title in enumerate(titles) if i and (found := SCORED.fullmatch(title))}
    others = {i: title for i, title in enumerate(titles) if i and i not in scored.values()}
    listed = {found["system"]: i for i, title in others.items() if (found := LISTED.fullmatch(title))}
    if not scored:
        raise DataError("no column holds judgements: behind the query come NAME@10 and NAME_score of a system", path, 1)
    if lacking := next((name for name in scored.keys() ^ listed.keys()), None):
        there, missing = ("lists", "judgements") if lacking in listed else ("judgements", "lists")
        raise DataError(f"'{lacking}' has a column of {there}, and none of {missing} (NAME@10, NAME_score)", path, 1)
    return {name: (i, scored[name]) for name, i in listed.items()}


def _judged(system: str, listed: str, scored: str, path: Path, number: int) -> JudgedList:
    items = _literal(listed, system, path, number)
    judgements = _literal(re.sub(r"\bnan\b", "None", scored), f"{system}_score", path, number)
    if not all(map(_is_judgement, judgements)):
        raise DataError(f"'{system}_score': a judgement is a number from 0 to 1, or None", path, number)
    if len(items) != len(judgements):
        raise DataError(f"'{system}' lists {len(items)}, and has {len(judgements)} judgements", path, number)
    return JudgedList(tuple(map(str, items)), tuple(None if one is None else float(one) for one in judgements))


def _is_judgement(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1)


def _literal(cell: str, title: str, path: Path, number: int) -> Sequence[Any]:
    try:
        value = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, list | tuple):
        raise DataError(f"'{title}' is no list as Python writes it, ['a', 'b']: {cell!r:.40}", path, number)
    return value
