"""People's own graphs: three files of triples, and where there are any a table of entities and a folder of images."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from mkgc.data.formats.entity_images import find_images
from mkgc.data.formats.kg import assemble
from mkgc.data.formats.text_files import read_lines
from mkgc.data.formats.titles import skip_titles
from mkgc.data.formats.triples import Index, cells, find_splits, read_triples
from mkgc.data.graph import Graph
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

NAMES = {
    "train": ("train.tsv", "train.txt"),
    "dev": ("dev.tsv", "valid.tsv", "dev.txt", "valid.txt"),
    "test": ("test.tsv", "test.txt"),
}
"""The files' names for each split."""

ENTITY = (
    frozenset({"id", "entity", "entity_id", "node", "uri", "iri"}),
    frozenset({"name", "label", "title"}),
    frozenset({"description", "desc", "text", "definition", "gloss", "comment"}),
)
"""Titles that the first line of a table of entities may give its columns, in any case."""


def read(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The whole graph. Its entities are those of ``entities.tsv`` (id, name, description), else those of the triples.

    Name and description may be left out. An image is ``images/ID.jpg`` (whatever the suffix), several lie in
    ``images/ID/``, called after the id as :mod:`mkgc.data.formats.entity_images` says.

    Raises:
        DataError: A split is missing or empty, a line malformed, a triple names an entity that is not in the table, or
            there is but one entity.
    """
    files = find_splits(root, NAMES, why="and a graph needs triples for train, dev and test")
    notes: list[Finding] = []
    texts = _table(root / "entities.tsv", notes)
    entities, relations = Index("entity", texts, "entities.tsv" if texts else None), Index("relation")
    rows = {split: skip_titles(cells(path, 3), path, notes) for split, path in files.items()}
    triples = {split: read_triples(files[split], part, entities, relations) for split, part in rows.items()}
    images = find_images(root, ("images",), [(entity,) for entity in entities.positions], groups)
    graph = assemble(root, entities, relations, triples, images)
    return replace(
        graph,
        names=tuple(texts[entity][0] if entity in texts else entity for entity in graph.entities),
        descriptions=tuple(texts[entity][1] if entity in texts else "" for entity in graph.entities),
        notes=(*notes, *graph.notes),
    )


def _table(path: Path, notes: list[Finding]) -> dict[str, tuple[str, str]]:
    """Name and description by id; none where there is no such file."""
    texts: dict[str, tuple[str, str]] = {}
    for number, row in _rows(path, notes) if path.is_file() else ():
        key, name, description = (cell.strip() for cell in (*row, "", "", "")[:3])
        if len(row) > len(ENTITY) or not key:
            raise DataError(f"{len(row)} columns instead of id, name, description between tabs", path, number)
        if key in texts:
            raise DataError(f"the entity '{key}' is listed before", path, number)
        texts[key] = (name or key, description)
    return texts


def _rows(path: Path, notes: list[Finding]) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path):
        row = line.split("\t")
        known = [cell.strip().casefold() in titles for cell, titles in zip(row, ENTITY, strict=False)]
        if number == 1 and len(row) <= len(ENTITY) and all(known):
            notes.append(Finding("info", f"{path.name}: its first line is titles of columns, no entity"))
        elif line.strip():
            yield number, row
