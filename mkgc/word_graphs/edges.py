"""Edges of a graph of words: keywords of the same pictures, sememes, words within words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

from mkgc.word_graphs.pictures import Picture, Sememe

WEAKEST = 0.1
"""The least weight of an edge to a word that contains another: 不 stands in so many keywords that none says much."""


class Edge(NamedTuple):
    """A word, its neighbour, how near that is, and why."""

    word: str
    neighbour: str
    weight: float
    kind: str


def keyword_edges(
    words: Iterable[str], pictures: Sequence[Picture], shown: Mapping[str, Mapping[int, float]]
) -> Iterator[Edge]:
    """Edges from each word that is a keyword to the others of its pictures.

    Their weight is the cosine of the two sets of pictures: of what many pictures have (animal, face), little follows.
    """
    for word in words:
        together: dict[str, int] = defaultdict(int)
        for number in shown.get(word, ()):
            for other in pictures[number].keywords:
                together[other] += other != word
        for other, count in together.items():
            if count:
                yield Edge(word, other, count / sqrt(len(shown[word]) * len(shown[other])), "keyword")


def part_edges(words: Iterable[str], keywords: Collection[str]) -> Iterator[Edge]:
    """Edges from each word to the keywords that it contains, as 明月 does 月; they weigh the share of its length."""
    for word in words:
        yield from (Edge(word, part, len(part) / len(word), "part") for part in _parts(word) if part in keywords)


def whole_edges(words: Iterable[str], shown: Mapping[str, Mapping[int, float]]) -> Iterator[Edge]:
    """Edges from each word that is no keyword to those that contain it, as 月亮 does 月.

    They weigh the share of its length, times that of the pictures: of all whose keywords contain the word, those that
    have this one. What weighs less than :data:`WEAKEST` is none.
    """
    wanted = {*words} - shown.keys()
    around: dict[str, list[str]] = defaultdict(list)
    for keyword in shown:
        for part in _parts(keyword) & wanted:
            around[part].append(keyword)
    for word, keywords in around.items():
        pictures = len({number for keyword in keywords for number in shown[keyword]})
        for keyword in keywords:
            weight = len(shown[keyword]) / pictures * len(word) / len(keyword)
            if weight >= WEAKEST:
                yield Edge(word, keyword, weight, "whole")


def _parts(word: str) -> set[str]:
    """What a word contains, but for itself."""
    return {word[i:j] for i in range(len(word)) for j in range(i + 1, len(word) + 1)} - {word}


def sememe_edges(words: Collection[str], sememes: Iterable[Sememe]) -> Iterator[Edge]:
    """Edges from each word to its sememes, but for itself."""
    for word, sememe, weight in sememes:
        if word in words and sememe != word:
            yield Edge(word, sememe, weight, "sememe")


def strongest(edges: Iterable[Edge], most: int) -> list[Edge]:
    """The heaviest edges of each word, and at one weight the first by name; of two with one neighbour, one counts."""
    best: dict[tuple[str, str], Edge] = {}
    for edge in edges:
        ends = edge.word, edge.neighbour
        best[ends] = max(edge, best.get(ends, edge), key=lambda one: (one.weight, one.kind))
    of: dict[str, list[Edge]] = defaultdict(list)
    for edge in best.values():
        of[edge.word].append(edge)
    return [edge for found in of.values() for edge in sorted(found, key=lambda e: (-e.weight, e.neighbour))[:most]]
