"""Titles above the columns of a file of triples: passed over, and said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

from mkgc.data.formats.tables import Row
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

TITLES = {
    "head": ("head", "h", "subject", "subj", "s", "source", "src", "from", "lhs", "start", "entity1", "头实体"),
    "relation": ("relation", "rel", "r", "relationship", "predicate", "pred", "p", "property", "edge", "关系"),
    "tail": ("tail", "t", "object", "obj", "o", "target", "dst", "to", "rhs", "end", "entity2", "尾实体"),
}
"""Titles of columns, in any case; ``head_id``, ``Head entity`` and ``:subject`` are such, too."""

ROLES = {title: role for role, titles in TITLES.items() for title in titles}
ORDER = ", ".join(TITLES)
ORDERS = frozenset(permutations(TITLES))


def skip_titles(rows: Iterable[Row], path: Path, notes: list[Finding]) -> Iterator[Row]:
    """The rows, without the first one where it holds the titles of the columns, which is added to the notes.

    Raises:
        DataError: The titles say that the columns are in another order, or a relation is called like a title.
    """
    title = None
    for i, (number, row) in enumerate(rows):
        if i == 0 and {roles := tuple(map(_role, row))} <= ORDERS:
            if roles != tuple(TITLES):
                raise DataError(f"the columns are {', '.join(row)}: bring them into the order {ORDER}", path, number)
            notes.append(Finding("info", f"{path.name}: its first line is titles of columns, no triple"))
            title = row[1]
        elif row[1] == title:
            remedy = "delete the titles, or move that triple to another line"
            raise DataError(
                f"line 1 reads like titles of columns, but '{title}' is a relation, too: {remedy}", path, number
            )
        else:
            yield number, row


def _role(cell: str) -> str | None:
    """Whose title it is."""
    words = re.sub(r"[\W_]+", " ", cell.casefold()).split()
    words = [word for word in words if word not in ("id", "entity", "name", "type", "label", "uri")]
    return ROLES.get(words[0]) if len(words) == 1 else None
