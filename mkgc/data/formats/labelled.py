"""Data sets of people's own sentences: the records that prediction takes, with their labels, a file a split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mkgc.data.formats import SentenceFormat, jsonl
from mkgc.data.formats.text_files import find
from mkgc.data.near import suggest
from mkgc.errors import DataError

NAMES = {"train": ("train.jsonl",), "dev": ("dev.jsonl", "valid.jsonl"), "test": ("test.jsonl",)}
"""The files' names for each split."""

Parse = Callable[[Mapping[str, Any], Path, str], Any]
"""From a record, the folder of its images and its place to an example with its labels."""

Labels = Callable[[Any], Collection[str]]
"""The labels of an example."""


def labelled(parse: Parse, labels: Labels, kind: str) -> SentenceFormat:
    """The format of a task's own records; ``kind`` is what the field calls a label.

    Raises (on reading):
        DataError: A file is missing or empty, or a record cannot be used, as when it has a label that does not occur in
            train.
    """
    return SentenceFormat(partial(_examples, parse, labels, kind), partial(_labels, parse, labels))


def _examples(
    parse: Parse, labels: Labels, kind: str, root: Path, split: str, groups: Collection[str] = ("image",)
) -> list[Any]:
    examples = _read(root, split, groups, parse)
    known = _known(examples if split == "train" else _read(root, "train", (), parse), labels)
    for place, example in examples:
        if strange := {*labels(example)} - known:
            named = f"the {kind} '{min(strange)}' does not occur in train ({', '.join(sorted(known))})"
            raise DataError(f"{named}{suggest(min(strange), known)}", place)
    return [example for _, example in examples]


def _labels(parse: Parse, labels: Labels, root: Path) -> tuple[str, ...]:
    """The labels of train, sorted."""
    return tuple(sorted(_known(_read(root, "train", (), parse), labels)))


def _known(examples: list[tuple[str, Any]], labels: Labels) -> set[str]:
    return {name for _, example in examples for name in labels(example)}


def _read(root: Path, split: str, groups: Collection[str], parse: Parse) -> list[tuple[str, Any]]:
    """The examples of a split with their places, and with the named groups of images only."""
    records, places = jsonl.require_records(jsonl.read_records(find(*(root / name for name in NAMES[split]))))
    examples = (parse(record, root, place) for record, place in zip(records, places, strict=True))
    return [
        (place, replace(example, images={group: example.images.get(group, ()) for group in groups}))
        for place, example in zip(places, examples, strict=True)
    ]
