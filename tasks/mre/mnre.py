"""MNRE: sentences from tweets, each with an image, two marked mentions and the relation between them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import crops, fields
from mkgc.data.formats.locate import locate
from mkgc.data.formats.text_files import find, read_lines
from mkgc.data.near import suggest
from mkgc.data.parses import parse_dependencies
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample
from tasks.mre.names import contradiction, named

NAMES = {"train": ("train",), "dev": ("val", "dev"), "test": ("test",)}
"""The files' names for each split."""

MENTIONS = ("h", "t")
"""The keys of head and tail."""

Find = Callable[[int, str], tuple[Path, ...]]
"""From a row and the name of its whole image to the files of one group."""


def read(root: Path, split: str, groups: Collection[str] = ("image",)) -> list[RelationExample]:
    """The examples of ``train``, ``dev`` or ``test``, in the order of the file.

    Raises:
        DataError: A file is missing, empty or damaged, or a line cannot be used, as when a name is not what stands at
            its position.
    """
    path = find(*(root / "txt" / f"ours_{name}.txt" for name in NAMES[split]))
    relations = read_relations(root)
    finders = {group: _finder(root, split, group) for group in groups}
    lines = ((f"{path}:{number}", line) for number, line in read_lines(path) if line.strip())
    examples = []
    for row, (place, line) in enumerate(lines):
        record = _record(line, place)
        image = _image(record, place)
        images = {group: at(row, image) for group, at in finders.items()}
        examples.append(_example(record, row, relations, images, place))
        _check_names(record, path, place)
    if not examples:
        raise DataError("is empty", path)
    return examples


def read_relations(root: Path) -> dict[str, int]:
    """Relations and their numbers, from ``ours_rel2id.json`` in the folder or in the one above.

    Raises:
        DataError: There is no such file, or it does not number relations 0, 1, 2, ….
    """
    path = find(root / "ours_rel2id.json", root.parent / "ours_rel2id.json")
    try:
        relations = json.loads("\n".join(line for _, line in read_lines(path)))
    except json.JSONDecodeError as error:
        raise DataError(f"is not JSON: {error.msg}", path, error.lineno) from None
    if not isinstance(relations, dict) or not relations:
        raise DataError("must map the names of relations to numbers", path)
    numbers = list(relations.values())
    if not all(type(n) is int for n in numbers) or sorted(numbers) != list(range(len(numbers))):
        raise DataError(f"must number its {len(numbers)} relations from 0 to {len(numbers) - 1}", path)
    return relations


def read_labels(root: Path) -> tuple[str, ...]:
    """The relations in the order of their numbers; raises as :func:`read_relations` does."""
    relations = read_relations(root)
    return tuple(sorted(relations, key=relations.__getitem__))


def _record(line: str, place: str) -> dict[str, Any]:
    try:
        record = ast.literal_eval(line.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise DataError(f"not a Python dictionary: {line.strip()[:40]}", place) from None
    if not isinstance(record, dict):
        raise DataError(f"not a Python dictionary: {line.strip()[:40]}", place)
    return record


def _check_names(record: dict[str, Any], path: Path, place: str) -> None:
    for mention in named(record, MENTIONS, place):
        if not mention.stands_at():
            records = (_record(line, f"{path}:{number}") for number, line in read_lines(path) if line.strip())
            raise contradiction(mention, records, MENTIONS, place)


def _image(record: dict[str, Any], place: str) -> str:
    image = fields.need(record, "img_id", place)
    if not isinstance(image, str) or not image:
        raise DataError(f"'img_id' must be the name of an image, not {image!r:.40}", place)
    return image


def _example(
    record: dict[str, Any], row: int, relations: dict[str, int], images: ImagePaths, place: str
) -> RelationExample:
    tokens = fields.tokens(fields.need(record, "token", place), "token", place)
    head, tail = (
        fields.span(fields.need(fields.need(record, key, place), "pos", place, key), len(tokens), key, place)
        for key in MENTIONS
    )
    relation = fields.need(record, "relation", place)
    if not isinstance(relation, str) or relation not in relations:
        near = suggest(relation, relations) if isinstance(relation, str) else ""
        raise DataError(f"the relation '{relation}' is not among the {len(relations)} of ours_rel2id.json{near}", place)
    tree = record.get("dependencies")
    governors = None if tree is None else parse_dependencies(tree, len(tokens), place)
    return RelationExample(str(row), tokens, head, tail, relation, images, governors=governors)


def _finder(root: Path, split: str, group: str) -> Find:
    names = NAMES[split]
    if group == "image":
        whole = root / "img_org"
        folders = (*(whole / name for name in names if (whole / name).is_dir()), whole)
        return lambda row, image: (locate(folders, image),)
    why = crops.needed_by(group)
    if group == "crops":
        cut = root / "img_vg"
        listed = find(*(root / "txt" / f"mre_{name}_dict.pth" for name in names), why=why)
        by_row = crops.read(listed, *(cut / name / "crops" for name in names), cut / "crops")
        return lambda row, image: by_row.of(image, row)
    detected = root / "img_detect"
    listed = find(
        *(folder / f"{name}_img2crop.pth" for name in names for folder in (root / "txt", detected / name)),
        why=why,
    )
    # The released dictionaries name objects from the root of the data.
    by_image = crops.read(listed, *(detected / name / "crops" for name in names), detected / "crops", root)
    return lambda row, image: by_image.of(image)
