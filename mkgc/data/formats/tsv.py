"""People's own graphs: files of triples, and where there are any tables of entities and relations and images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mkgc.data.formats.entity_images import EntityImages, find_images
from mkgc.data.formats.kg import clean_texts, read_texts
from mkgc.data.formats.text_files import find
from mkgc.data.formats.text_table import TextTable, read_text_table
from mkgc.data.formats.titles import skip_titles
from mkgc.data.formats.triples import Index, cells, find_splits, read_triples
from mkgc.data.graph import Graph, Triples
from mkgc.data.split import WHOLE
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

NAMES = {
    "train": ("train.tsv", "train.txt"),
    "dev": ("dev.tsv", "valid.tsv", "dev.txt", "valid.txt"),
    "test": ("test.tsv", "test.txt"),
}
"""The files' names for each split."""

ONE = ("triples.tsv", "triples.csv", "triples.txt")
"""The names of a file that holds all triples."""


def read(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The whole graph. Its entities are those of ``entities.tsv``, else those of the triples; likewise relations.

    The tables have names in any languages, aliases and descriptions (:mod:`mkgc.data.formats.text_table`); what they
    leave open, texts in the layout of :mod:`mkgc.data.formats.kg` may say. An image is
    ``images/ID.jpg`` (whatever the suffix), several lie in ``images/ID/``, called after the id as
    :mod:`mkgc.data.formats.entity_images` says.

    Raises:
        DataError: A split is missing or empty, a line malformed, a triple names what is not in a table, or there is but
            one entity.
    """
    why = "and a graph needs triples for train, dev and test (or all in triples.tsv, with data=triples)"
    return _read(root, find_splits(root, NAMES, why=why), groups)


def read_one(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The same from one file of triples, which are still to be split."""
    return _read(root, {WHOLE: find(*(root / name for name in ONE))}, groups)


def read_names(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The same of a graph without triples: a table of its entities.

    Raises:
        DataError: There is no such table, a line is malformed, or there is but one entity.
    """
    find(root / "entities.tsv", root / "entities.csv", why="and the names of entities stand there")
    return _read(root, {}, groups)


def _read(root: Path, files: Mapping[str, Path], groups: Collection[str]) -> Graph:
    notes: list[Finding] = []
    tables = [read_text_table(root, name, notes) for name in ("entities", "relations")]
    entities, relations = (
        Index(kind, table.cells, table.name or None) for kind, table in zip(("entity", "relation"), tables, strict=True)
    )
    rows = {split: skip_titles(cells(path, 3), path, notes) for split, path in files.items()}
    triples = {split: read_triples(files[split], part, entities, relations) for split, part in rows.items()}
    if len(entities.positions) < 2:
        raise DataError("the graph has one entity only: there must be another that could complete a triple", root)
    images = find_images(root, ("images",), [(entity,) for entity in entities.positions], groups)
    graph = _assemble(root, tables, (tuple(entities.positions), tuple(relations.positions)), triples, images)
    return graph.noted(*notes, *images.notes(root, graph.synonyms()))


def _assemble(
    root: Path,
    tables: Sequence[TextTable],
    ids: tuple[tuple[str, ...], tuple[str, ...]],
    triples: Mapping[str, Triples],
    images: EntityImages,
) -> Graph:
    short, long = (clean_texts(read_texts(root / f"{file}.txt")) for file in ("entity2text", "entity2textlong"))
    said = read_texts(root / "relation2text.txt")
    (of_entities, of_relations), (entities, relations) = tables, ids
    return Graph(
        entities=entities,
        names=_first(of_entities, "name", entities, [short.get(one) or one for one in entities]),
        descriptions=_first(of_entities, "description", entities, [long.get(one, "") for one in entities]),
        relations=relations,
        relation_names=_first(of_relations, "name", relations, [said.get(one) or one for one in relations]),
        images=images.images,
        triples=triples,
        labels=of_entities.labels(entities),
        relation_labels=of_relations.labels(relations),
    )


def _first(table: TextTable, kind: str, ids: Sequence[str], otherwise: Sequence[str]) -> tuple[str, ...]:
    """The text of each id in the first language that has one, in the order of the columns."""
    columns = zip(*table.texts(kind, ids).values(), strict=True) if table.columns else ()
    found = [next(filter(None, row), "") for row in columns] or [""] * len(ids)
    return tuple(text or other for text, other in zip(found, otherwise, strict=True))
