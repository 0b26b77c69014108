"""Knowledge graphs in the layout of KG-BERT and MKGformer: tab-separated triples and texts, and folders of pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from mkgc.data.examples import Pictures
from mkgc.data.formats.files import find, read_lines
from mkgc.data.graph import Graph, Triples
from mkgc.errors import DataError

NAMES = {"train": ("train.tsv",), "dev": ("dev.tsv", "valid.tsv"), "test": ("test.tsv",)}
"""What the files call each split."""

IMAGES = ("images", "FB15k-images", "wn18-images", "../FB15k-images", "../wn18-images")
SHARES = {"image": slice(0, 1), "crops": slice(1, 4), "objects": slice(4, 7)}
"""Which of an entity's pictures each group gets where several are read. Source: MKGformer's released code."""

Row = tuple[int, list[str]]


def read(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The whole graph. Entities and relations are those that are listed, else those of the triples.

    An entity's picture folder is named after it, with a dot for each slash (FB15k-images) or an ``n`` in front
    (wn18-images); an entity without a folder has no pictures. Texts of what the graph does not have are left out.

    Raises:
        DataError: A file is missing or a line malformed, a triple names what is not listed, or a split is empty.
    """
    rows = {split: _rows(find(*(root / name for name in names)), 3) for split, names in NAMES.items()}
    entities = _listed(root / "entities.txt", (x for part in rows.values() for _, (h, _, t) in part for x in (h, t)))
    relations = _listed(root / "relations.txt", (r for part in rows.values() for _, (_, r, _) in part))
    names = _texts(find(root / "entity2text.txt")) if (root / "entity2text.txt").is_file() else {}
    long = _texts(root / "entity2textlong.txt") if (root / "entity2textlong.txt").is_file() else {}
    said = _texts(root / "relation2text.txt") if (root / "relation2text.txt").is_file() else {}
    files = {split: find(*(root / name for name in paths)) for split, paths in NAMES.items()}
    return Graph(
        entities=tuple(entities),
        names=tuple(names.get(entity, entity) for entity in entities),
        descriptions=tuple(long.get(entity, "") for entity in entities),
        relations=tuple(relations),
        relation_names=tuple(said.get(relation, relation) for relation in relations),
        pictures=tuple(_pictures(root, entity, groups) for entity in entities),
        triples={split: _triples(files[split], part, entities, relations) for split, part in rows.items()},
    )


def _rows(path: Path, columns: int) -> list[Row]:
    rows = []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        row = line.split("\t")
        if len(row) != columns or not all(cell.strip() for cell in row):
            raise DataError(f"{len(row)} columns instead of {columns} filled ones between tabs", path, number)
        rows.append((number, row))
    if not rows:
        raise DataError("is empty", path)
    return rows


def _listed(path: Path, found: Iterable[str]) -> dict[str, int]:
    """Positions by id: of the file's first column if there is one, else in the order of appearance."""
    if path.is_file():
        found = (line.split("\t")[0] for _, line in read_lines(path) if line.strip())
    return {name: i for i, name in enumerate(dict.fromkeys(found))}


def _texts(path: Path) -> dict[str, str]:
    texts = {}
    for number, line in read_lines(path):
        if line.strip():
            key, tab, text = line.partition("\t")
            if not tab:
                raise DataError("no tab between id and text", path, number)
            texts[key] = text.strip()
    return texts


def _triples(path: Path, rows: list[Row], entities: Mapping[str, int], relations: Mapping[str, int]) -> Triples:
    def place(name: str, known: Mapping[str, int], kind: str, file: str, number: int) -> int:
        if name not in known:
            raise DataError(f"the triple names the {kind} '{name}', which {file} does not list", path, number)
        return known[name]

    triples = [
        (
            place(head, entities, "entity", "entities.txt", number),
            place(relation, relations, "relation", "relations.txt", number),
            place(tail, entities, "entity", "entities.txt", number),
        )
        for number, (head, relation, tail) in rows
    ]
    return np.array(triples, dtype=np.int64)


def _pictures(root: Path, entity: str, groups: Collection[str]) -> Pictures:
    """The files of the entity's folder, sorted by name: all to the only group, or to each group its share."""
    name = entity.replace("/", ".").strip(".")
    folders = (root / top / folder for top in IMAGES for folder in (name, f"n{name}"))
    folder = next((f for f in folders if f.is_dir()), None)
    inside = () if folder is None else sorted(folder.iterdir())
    files = tuple(path for path in inside if path.is_file() and not path.name.startswith("."))
    return {group: files if len(groups) == 1 else files[SHARES[group]] for group in groups}
