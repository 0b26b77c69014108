"""Knowledge graphs in the layout of KG-BERT and MKGformer: tab-separated triples and texts, and folders of images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from mkgc.data.formats.entity_images import EntityImages, find_images
from mkgc.data.formats.text_files import read_lines
from mkgc.data.formats.titles import skip_titles
from mkgc.data.formats.triples import Index, cells, find_splits, read_triples
from mkgc.data.graph import Graph, Triples
from mkgc.errors import DataError
from mkgc.inspect.report import Finding

NAMES = {"train": ("train.tsv",), "dev": ("dev.tsv", "valid.tsv"), "test": ("test.tsv",)}
"""The files' names for each split."""

IMAGES = ("images", "FB15k-images", "wn18-images", "../FB15k-images", "../wn18-images")


def read(root: Path, groups: Collection[str] = ("image",)) -> Graph:
    """The whole graph. Entities and relations are those that are listed, else those of the triples.

    An entity's folder of images is named after it (:mod:`mkgc.data.formats.entity_images`), as with a dot for each
    slash (FB15k-images) or an ``n`` in front (wn18-images); an entity without one has no images. Texts of what the
    graph does not have are left out. Duplicate triples, triples of an entity with itself and relations that training
    does not show are kept.

    Raises:
        DataError: A file is missing or a line malformed, a triple names what is not listed, a split is empty, or there
            is but one entity.
    """
    files = find_splits(root, NAMES)
    entities = Index.of_file("entity", root / "entities.txt")
    relations = Index.of_file("relation", root / "relations.txt")
    notes: list[Finding] = []
    rows = {split: skip_titles(cells(path, 3), path, notes) for split, path in files.items()}
    triples = {split: read_triples(files[split], part, entities, relations) for split, part in rows.items()}
    images = find_images(root, IMAGES, [(entity,) for entity in entities.positions], groups)
    graph = assemble(root, entities, relations, triples, images)
    return replace(graph, notes=(*notes, *graph.notes))


def assemble(
    root: Path,
    entities: Index,
    relations: Index,
    triples: Mapping[str, Triples],
    images: EntityImages,
    name: Callable[[str], str] = str,
) -> Graph:
    """A graph with the texts that lie in its folder; ``name`` makes a name of an id that has no text.

    Raises:
        DataError: A text is malformed, or there is but one entity.
    """
    if len(entities.positions) < 2:
        raise DataError("the graph has one entity only: there must be another that could complete a triple", root)
    short, long = (clean_texts(read_texts(root / f"{file}.txt")) for file in ("entity2text", "entity2textlong"))
    said = read_texts(root / "relation2text.txt")
    names = tuple(short.get(entity) or name(entity) for entity in entities.positions)
    return Graph(
        entities=tuple(entities.positions),
        names=names,
        descriptions=tuple(long.get(entity, "") for entity in entities.positions),
        relations=tuple(relations.positions),
        relation_names=tuple(said.get(relation) or name(relation) for relation in relations.positions),
        images=images.images,
        triples=triples,
        notes=images.notes(root, zip(entities.positions, names, strict=True)),
    )


def read_texts(path: Path) -> dict[str, str]:
    """Texts by id, none where there is no such file; a tab within a text becomes a space.

    Raises:
        DataError: A line has no tab.
    """
    texts: dict[str, str] = {}
    if not path.is_file():
        return texts
    for number, line in read_lines(path):
        if line.strip():
            key, tab, text = line.partition("\t")
            if not tab:
                raise DataError("no tab between id and text", path, number)
            texts[key] = text.replace("\t", " ").strip()
    return texts


def clean_texts(texts: Mapping[str, str]) -> dict[str, str]:
    r"""Texts of entities without the escapes that Freebase's dump left in them.

    Source: MKGformer's released code, which does so with the texts of entities, but not with those of relations.

    >>> clean_texts({"/m/01h4t2": r"Miles \"Tails\" Prower\nis a fox"})
    {'/m/01h4t2': 'Miles "Tails" Prower is a fox'}
    """
    return {key: text.replace(r"\n", " ").replace("\\", "").strip() for key, text in texts.items()}
