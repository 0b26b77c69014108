"""Data sets of people's own sentences: the records that prediction takes, with their labels, a file a split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mkgc.data.examples import RelationExample, TaggedExample
from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.files import find
from mkgc.errors import DataError

NAMES = {"train": ("train.jsonl",), "dev": ("dev.jsonl", "valid.jsonl"), "test": ("test.jsonl",)}
"""What the files call each split."""

Example = TypeVar("Example", RelationExample, TaggedExample)


def read_relations(root: Path, split: str, groups: Collection[str] = ("image",)) -> list[RelationExample]:
    """Sentences with ``head``, ``tail`` and ``relation``; images are named from the folder.

    Raises:
        DataError: A file is missing or empty, or a record cannot be used, as when its relation does not occur in train.
    """
    examples = _read(root, split, groups, _related)
    known = examples if split == "train" else _read(root, "train", (), _related)
    _check(examples, lambda e: {str(e.relation)}, known, "relation")
    return [example for _, example in examples]


def relations(root: Path) -> tuple[str, ...]:
    """The relations of train, sorted, but ``None`` first; raises as :func:`read_relations` does."""
    names = {str(example.relation) for _, example in _read(root, "train", (), _related)}
    return tuple(sorted(names, key=lambda name: (name != "None", name)))


def read_tagged(root: Path, split: str, groups: Collection[str] = ("image",)) -> list[TaggedExample]:
    """Sentences with ``tags`` (one a word, as written) or ``spans``; images are named from the folder.

    Raises:
        DataError: A file is missing or empty, or a record cannot be used, as when it has an entity type that does not
            occur in train.
    """
    examples = _read(root, split, groups, _tagged)
    known = examples if split == "train" else _read(root, "train", (), _tagged)
    _check(examples, _types, known, "entity type")
    return [example for _, example in examples]


def types(root: Path) -> tuple[str, ...]:
    """The entity types of train, sorted; raises as :func:`read_tagged` does."""
    return tuple(sorted({name for _, example in _read(root, "train", (), _tagged) for name in _types(example)}))


def _read(
    root: Path, split: str, groups: Collection[str], parse: Callable[[Mapping[str, Any], Path, str], Example]
) -> list[tuple[str, Example]]:
    """The examples of a split with their places, and with the named groups of images only."""
    records, places = jsonl.require_records(jsonl.read_records(find(*(root / name for name in NAMES[split]))))
    examples = (parse(record, root, place) for record, place in zip(records, places, strict=True))
    return [
        (place, replace(example, images={group: example.images.get(group, ()) for group in groups}))
        for place, example in zip(places, examples, strict=True)
    ]


def _check(
    examples: list[tuple[str, Example]],
    labels: Callable[[Example], set[str]],
    known: list[tuple[str, Example]],
    kind: str,
) -> None:
    names = {name for _, example in known for name in labels(example)}
    for place, example in examples:
        if strange := labels(example) - names:
            raise DataError(f"the {kind} '{min(strange)}' does not occur in train ({', '.join(sorted(names))})", place)


def _related(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    example = jsonl.parse_relation(record, folder, place)
    relation = fields.need(record, "relation", place)
    if not isinstance(relation, str) or not relation:
        raise DataError(f"'relation' must be the name of one, not {relation!r:.40}", place)
    return replace(example, relation=relation)


def _tagged(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    example = jsonl.parse_tagged(record, folder, place)
    if ("tags" in record) == ("spans" in record):
        raise DataError("give one of 'tags' and 'spans'", place)
    count = len(example.tokens)
    tags = _tags(record["tags"], count, place) if "tags" in record else _spans(record["spans"], count, place)
    return replace(example, tags=tags, place=place)


def _tags(value: Any, count: int, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != count:
        said = f"{len(value)}" if isinstance(value, list) else f"{value!r:.40}"
        raise DataError(f"'tags' must be a list of {count} tags, one a word, not {said}", place)
    return tuple(fields.tag(tag, place) for tag in value)


def _spans(value: Any, count: int, place: str) -> tuple[str, ...]:
    """BIO tags of spans {"start", "end", "type"} of words, where each word belongs to one span at most."""
    if not isinstance(value, list):
        raise DataError(f"'spans' must be a list, not {value!r:.40}", place)
    tags = ["O"] * count
    for item in value:
        limits = [fields.need(item, key, place, "spans") for key in ("start", "end")]
        start, end = fields.span(limits, count, "spans", place)
        kind = fields.need(item, "type", place, "spans")
        if not isinstance(kind, str) or not kind:
            raise DataError(f"'type' must be the name of an entity type, not {kind!r:.40}", place)
        if any(tag != "O" for tag in tags[start:end]):
            raise DataError(f"'spans' [{start}, {end}) overlaps another one: a word has one type at most", place)
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)


def _types(example: TaggedExample) -> set[str]:
    return {tag[2:] for tag in example.tags or () if tag != "O"}
