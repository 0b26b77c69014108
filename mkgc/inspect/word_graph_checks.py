"""The graph of words that texts are read with: its sizes, its images, and how much of it texts are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mkgc.data.word_graph import WordGraph
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.sentence_checks import spread
from mkgc.reports.table import Cell, Share, Table


def inspect_word_graph(graph: WordGraph, texts: Mapping[str, Sequence[str]]) -> Section:
    """The graph's sizes, what of it the texts of each split are given, and which of its images are not there."""
    found = {split: [_words(graph, text) for text in part] for split, part in texts.items()}
    silent = [split for split, part in found.items() if part and not any(part)]
    none = [Finding("warning", f"no text of {split} has a word of the graph") for split in silent]
    return Section((_sizes(graph), _around(graph, found)), (*none, *_missing(graph)))


def _words(graph: WordGraph, text: str) -> list[int]:
    """The words of the graph in a text."""
    return [one.word for one in graph.segment(text) if one.word >= 0]


def _sizes(graph: WordGraph) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = (
        ("words", len(graph.words)),
        ("of them with a neighbour", int((graph.edges.counts > 0).sum())),
        ("of them with an image", int((graph.images.counts > 0).sum())),
        ("neighbours that are read", len(graph.edges.ends)),
        ("images", len(graph.files)),
        ("images of words that are read", len(graph.images.ends)),
    )
    return Table("Graph of words", ("what", "number"), rows)


def _around(graph: WordGraph, found: Mapping[str, Sequence[Sequence[int]]]) -> Table:
    """Words of the graph in a text, their branches, and how many of them have an image."""
    rows: list[tuple[Cell, ...]] = []
    for split, part in found.items():
        words = [np.array(one, dtype=np.int64) for one in part]
        rows.append((split, "words", Share(_share([len(one) for one in words])), *spread([len(one) for one in words])))
        for what, counts in (("branches", graph.edges.counts), ("words with an image", graph.images.counts > 0)):
            numbers = [int(counts[one].sum()) for one in words]
            rows.append((split, what, Share(_share(numbers)), *spread(numbers)))
    return Table(
        "Words of the graph in a text", ("split", "what", "with some", "median", "90th percentile", "most"), tuple(rows)
    )


def _share(counts: Sequence[int]) -> float:
    return sum(map(bool, counts)) / max(1, len(counts))


def _missing(graph: WordGraph) -> list[Finding]:
    gone = [file for file in graph.files if not Path(file).is_file()]
    if not gone:
        return []
    said = f"{len(gone):,} of the graph's {len(graph.files):,} images are not there, as {gone[0]}"
    return [Finding("warning", f"{said}: words are read with those that are")]
