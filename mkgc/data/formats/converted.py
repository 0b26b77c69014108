"""Published files of sentences, read as if people had written them as records of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mkgc.data.examples import SPLITS
from mkgc.data.formats import SentenceFormat
from mkgc.data.formats.labelled import Parse
from mkgc.data.split import split_rows
from mkgc.errors import DataError

Placed = tuple[dict[str, Any], str]
"""A record in the form that prediction takes, with its label, and its place in the file."""

Records = Callable[[Path, str], Iterable[Placed]]
"""The records of a split (``train``, ``dev`` or ``test``) of a data set's folder."""


def converted(records: Records, parse: Parse, labels: Callable[[Path], tuple[str, ...]]) -> SentenceFormat:
    """The format whose ``records`` are parsed as a task's own, and whose ``labels`` are what its files list.

    Raises (on reading):
        DataError: A file is missing or empty, or a line cannot be used.
    """
    return SentenceFormat(partial(_examples, records, parse), labels)


def _examples(
    records: Records, parse: Parse, root: Path, split: str, groups: Collection[str] = ("image",)
) -> list[Any]:
    examples = [parse(record, root, place) for record, place in records(root, split)]
    if not examples:
        raise DataError(f"no sentence of {split}", root)
    return [replace(one, images={group: one.images.get(group, ()) for group in groups}) for one in examples]


def drawn(placed: Sequence[Placed], split: str, keys: Sequence[str]) -> list[Placed]:
    """The records of a split of a data set that is published as one: a tenth each is dev and test.

    Records of one key, such as mentions of one sentence, are in one split.
    """
    rows = split_rows(keys)[SPLITS.index(split)]
    return [placed[row] for row in rows]
