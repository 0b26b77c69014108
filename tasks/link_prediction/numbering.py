"""How the released link prediction numbers the rows of its new tokens, and in which order ours are among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import CheckpointError, DataError

FILES = {"entities": ("entity2textlong.txt", "entity2text.txt"), "relations": ("relations.txt",)}
"""Whose lines number what: the first of the files that is there. Source: zjunlp/MKGformer, MKG/data/processor.py."""


def row_orders(root: Path, ours: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """For each table of new tokens the released row of each of our names, in our order.

    Raises:
        DataError: There is no file that numbers a table, or it names something twice.
        CheckpointError: Its names are not ours.
    """
    return {table: _order(find(*(root / file for file in FILES[table])), names) for table, names in ours.items()}


def _order(path: Path, ours: Sequence[str]) -> list[int]:
    theirs = _rows(path)
    known = set(ours)
    if missing := [name for name in ours if name not in theirs]:
        raise CheckpointError(
            f"{path}: has no line for {_listed(missing)} of the graph: weights trained on it have no row for that; "
            "give the folder that they were trained on"
        )
    if surplus := [name for name in theirs if name not in known]:
        raise CheckpointError(
            f"{path}: has lines for {_listed(surplus)}, which the graph lacks: weights trained on it have a row for "
            "each; list the same names in entities.txt or relations.txt"
        )
    return [theirs[name] for name in ours]


def _rows(path: Path) -> dict[str, int]:
    """The number of each line's first column, blank lines not counted.

    Raises:
        DataError: A name stands twice.
    """
    rows: dict[str, int] = {}
    for number, line in read_lines(path):
        name = line.strip().split("\t")[0]
        if name in rows:
            raise DataError(f"'{name}' stands here a second time: which row of the weights is its?", path, number)
        if line.strip():
            rows[name] = len(rows)
    return rows


def _listed(names: Collection[str]) -> str:
    first = next(iter(names))
    return f"'{first}'" if len(names) == 1 else f"{len(names):,} names (first '{first}')"
