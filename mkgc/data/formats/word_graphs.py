"""Folders that hold a graph of words: ``words.tsv``, ``edges.tsv``, ``images.tsv``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mkgc.data.formats.tables import table
from mkgc.data.formats.text_files import find
from mkgc.data.near import suggest
from mkgc.data.word_graph import WordGraph, adjacency
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.errors import ConfigError, DataError

WORDS, EDGES, IMAGES = "words.tsv", "edges.tsv", "images.tsv"
BUILDING = "building"
"""The folder that a graph has while it is being made."""

TITLES: Mapping[str, Sequence[str]] = {
    WORDS: ("id", "word", "count"),
    EDGES: ("word", "neighbour", "weight", "kind"),
    IMAGES: ("word", "image", "weight"),
}
"""The titles in the first line of each file."""

Cells = tuple[str, Sequence[str]]
"""The place of a line, and its cells."""


def read_word_graph(settings: WordGraphSettings) -> WordGraph:
    """Reads a graph of words. Edges lead from a word to a neighbour; images are files, relative to the folder.

    Raises:
        ConfigError: There is no such folder.
        DataError: A file is missing or a line malformed, or a word is not in ``words.tsv``, or stands there twice.
    """
    root = Path(settings.root)
    if not root.is_dir():
        why = "there is no such folder; mkgc.prepare graph=poetry makes one (docs/poetry.md)"
        raise ConfigError(f"data.word_graph.root={root}: {why}")
    if (root / BUILDING).is_dir():
        raise DataError("is not finished: the mkgc.prepare graph=poetry that began it goes on with the same keys", root)
    numbers: dict[str, int] = {}
    counts = list[int]()
    for place, (_, word, count) in _rows(root / WORDS):
        if not word:
            raise DataError("the word is empty", place)
        if numbers.setdefault(word, len(numbers)) != len(counts):
            raise DataError(f"the word '{word:.40}' stands there twice", place)
        counts.append(_count(count, place))
    edges = [
        (_number(word, numbers, place), _number(other, numbers, place), read_weight(weight, place))
        for place, (word, other, weight, _) in _rows(root / EDGES)
    ]
    shown = [(_number(word, numbers, place), file, read_weight(weight, place)) for place, (word, file, weight) in
             _rows(root / IMAGES)]  # fmt: skip
    files = {file: row for row, file in enumerate(sorted({file for _, file, _ in shown}))}
    images = adjacency([(word, files[file], weight) for word, file, weight in shown], len(numbers))
    paths = [str(root / file) for file in files]
    count_of = np.array(counts, dtype=np.int64)
    return WordGraph([*numbers], count_of, adjacency(edges, len(numbers)), images, paths, settings)


def _rows(path: Path) -> Iterator[Cells]:
    titles = TITLES[path.name]
    rows = table(find(path, why="and a graph of words needs it"))
    _, first = next(rows, (0, ()))
    if tuple(first) != titles:
        raise DataError(f"its first line must be {', '.join(titles)}, between tabs", path, 1)
    for number, cells in rows:
        if any(cells):
            if len(cells) != len(titles):
                raise DataError(f"{len(cells)} columns instead of {len(titles)} between tabs", path, number)
            yield f"{path}:{number}", cells


def _number(word: str, numbers: Mapping[str, int], place: str) -> int:
    if word not in numbers:
        raise DataError(f"'{word:.40}' is no word of {WORDS}{suggest(word, numbers)}", place)
    return numbers[word]


def _count(written: str, place: str) -> int:
    if not (written.isascii() and written.isdigit()):
        raise DataError(f"the count '{written:.40}' is no whole number", place)
    return int(written)


def read_weight(written: str, place: str) -> float:
    """The finite number in a cell.

    Raises:
        DataError: There is none.
    """
    try:
        weight = float(written)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise DataError(f"the weight '{written:.40}' is no number", place)
    return weight
