"""People's own tables of entities or relations: names in any languages, aliases and descriptions, by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mkgc.data.formats.tables import between, table
from mkgc.data.labels import DEFAULT, Labels, Texts
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

TITLES = {
    "id": ("id", "entity", "entity_id", "relation", "relation_id", "node", "uri", "iri"),
    "name": ("name", "label", "title"),
    "aliases": ("aliases", "alias", "synonyms", "also_known_as"),
    "description": ("description", "desc", "text", "definition", "gloss", "comment"),
}
"""Titles of columns, in any case; ``name:zh``, ``name@zh`` and ``name_zh`` say which language they are in."""

KINDS = {title: kind for kind, titles in TITLES.items() for title in titles}
PLAIN = ("id", "name", "description")
"""The columns of a table without titles."""
LANGUAGE = re.compile(r"(.+)[:@_]([a-z]{2,3}(?:-[a-z0-9]+)*)", re.IGNORECASE)
BETWEEN_ALIASES = "|"

Column = tuple[str, str]
"""What a column holds, and in which language, if that is said."""


@dataclass(frozen=True)
class TextTable:
    """Cells by id and column; ``columns`` are in the order of the file, whose ``name`` is empty where there is none."""

    name: str = ""
    columns: tuple[Column, ...] = ()
    cells: Mapping[str, Mapping[Column, str]] = field(default_factory=dict)

    def texts(self, kind: str, ids: Iterable[str]) -> Texts:
        """The texts of a kind by language, parallel to the ids; in the order of the columns."""
        known = [column for column in self.columns if column[0] == kind]
        order = [*ids]
        return {
            language or DEFAULT: tuple(self.cells.get(key, {}).get((kind, language), "") for key in order)
            for _, language in known
        }

    def labels(self, ids: Sequence[str]) -> Labels:
        """Names and descriptions, where there are several languages, and aliases, where there are any."""
        names, descriptions = self.texts("name", ids), self.texts("description", ids)
        aliases = self.texts("aliases", ids)
        several = len(names.keys() | descriptions.keys()) > 1
        return Labels(
            names if several else {},
            descriptions if several else {},
            tuple(tuple(_split(cells)) for cells in zip(*aliases.values(), strict=True)),
        )


def read_text_table(root: Path, name: str, notes: list[Finding]) -> TextTable:
    """The table `NAME.tsv` or `NAME.csv` of a folder; an empty one where there is none.

    Its first line may give the columns titles (:data:`TITLES`), of which the first is that of the ids. Without titles
    they are id, name, description, of which the last ones may be left out.

    Raises:
        DataError: A line is malformed, or an id stands in two.
    """
    path = next((path for suffix in ("tsv", "csv") if (path := root / f"{name}.{suffix}").is_file()), None)
    if path is None:
        return TextTable()
    columns: tuple[Column, ...] = tuple((kind, "") for kind in PLAIN)
    cells: dict[str, dict[Column, str]] = {}
    for number, row in table(path):
        if number == 1 and (titles := _titles(row)):
            columns = titles
            notes.append(Finding("info", f"{path.name}: its first line is titles of columns, no {_one(name)}"))
        elif any(row):
            key, found = _row(row, columns, path, number)
            if key in cells:
                raise DataError(f"the {_one(name)} '{key}' is listed before", path, number)
            cells[key] = found
    return TextTable(path.name, columns, cells)


def _row(row: Sequence[str], columns: Sequence[Column], path: Path, number: int) -> tuple[str, dict[Column, str]]:
    if len(row) > len(columns) or not row[0]:
        wanted = ", ".join(f"{kind}:{language}" if language else kind for kind, language in columns)
        more = "; further columns need titles in line 1" if len(row) > len(columns) == len(PLAIN) else ""
        raise DataError(f"{len(row)} columns instead of {wanted} between {between(path)}{more}", path, number)
    return row[0], {column: cell for column, cell in zip(columns[1:], row[1:], strict=False) if cell}


def _titles(row: Sequence[str]) -> tuple[Column, ...] | None:
    """What the columns hold, if all cells are titles, the first of them of ids, and none comes twice."""
    found = [_column(cell) for cell in row]
    columns = [column for column in found if column is not None]
    right = len(columns) == len(found) == len({*columns}) and columns[0] == ("id", "")
    return tuple(columns) if right else None


def _column(title: str) -> Column | None:
    plain = "_".join(title.casefold().split())
    if plain in KINDS:
        return KINDS[plain], ""
    found = LANGUAGE.fullmatch(plain)
    kind = KINDS.get(found[1]) if found else None
    return None if found is None or kind in (None, "id") else (str(kind), found[2])


def _split(cells: Iterable[str]) -> list[str]:
    return [alias.strip() for cell in cells for alias in cell.split(BETWEEN_ALIASES) if alias.strip()]


def _one(name: str) -> str:
    return {"entities": "entity", "relations": "relation"}[name]
