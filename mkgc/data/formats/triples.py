"""Triples line by line, whatever separates their cells, and the positions of the names in them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mkgc.data.formats.tables import Row, between, table
from mkgc.data.formats.text_files import find, read_lines
from mkgc.data.graph import Triples
from mkgc.data.near import suggest
from mkgc.errors import DataError


class Index:
    """Positions of entities or relations by id: those of a list, or without one in the order of their appearance."""

    def __init__(self, kind: str, listed: Iterable[str] = (), source: str | None = None) -> None:
        self.kind, self.source = kind, source
        self.positions = {name: i for i, name in enumerate(dict.fromkeys(listed))}

    @classmethod
    def of_file(cls, kind: str, path: Path) -> Index:
        """The ids in the first column of a file, if it is there.

        Raises:
            DataError: It cannot be read.
        """
        if not path.is_file():
            return cls(kind)
        return cls(kind, (line.split("\t")[0].strip() for _, line in read_lines(path) if line.strip()), path.name)

    def find(self, name: str, path: Path, number: int) -> int:
        """The position of an id that a line of a file names; without a list, a new id gets the next one.

        Raises:
            DataError: There is a list, and it lacks the id.
        """
        if self.source is not None and name not in self.positions:
            reason = f"the triple names the {self.kind} '{name}', which {self.source} does not list"
            reason += suggest(name, self.positions)
            raise DataError(reason, path, number)
        return self.positions.setdefault(name, len(self.positions))


def find_splits(root: Path, names: Mapping[str, Sequence[str]], why: str = "") -> dict[str, Path]:
    """The file of each split, under the first of its names that is there; ``why`` says what needs it.

    Raises:
        DataError: One has no file.
    """
    return {split: find(*(root / name for name in candidates), why=why) for split, candidates in names.items()}


def cells(path: Path, columns: int) -> Iterator[Row]:
    """The filled cells of all lines but blank ones.

    Raises:
        DataError: A line has more or fewer.
    """
    for number, row in table(path):
        if len(row) == columns and "" not in row:
            yield number, row
        elif any(row):
            wrong = f"{len(row)} columns instead of {columns} filled ones between {between(path)}"
            raise DataError(wrong, path, number)


def read_triples(path: Path, rows: Iterable[Row], entities: Index, relations: Index) -> Triples:
    """Rows (head, relation, tail) of the file as positions; duplicates and loops are kept as they are.

    Raises:
        DataError: A list lacks an id, or there is no row.
    """
    flat = array("q")
    for number, (head, relation, tail) in rows:
        try:
            flat.extend((entities.positions[head], relations.positions[relation], entities.positions[tail]))
        except KeyError:
            ends = (entities, head), (relations, relation), (entities, tail)
            flat.extend([index.find(name, path, number) for index, name in ends])
    if not flat:
        raise DataError("is empty", path)
    return np.array(flat, dtype=np.int64).reshape(-1, 3)
