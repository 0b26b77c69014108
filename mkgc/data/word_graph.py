"""A graph of words: the neighbours and images of each, and where a text has such words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from mkgc.data.digest import LENGTH
from mkgc.data.linking import EntityLinker
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.errors import CheckpointError

NO_WORD = -1
"""The number of what is no word of the graph."""


class Segment(NamedTuple):
    """The characters ``[start, end)`` of a text: a word of the graph by its number, or one other character."""

    start: int
    end: int
    word: int


class Adjacency(NamedTuple):
    """What each word has, heaviest first, then by number: that of word ``i`` lies between two of ``offsets``."""

    offsets: Int[np.ndarray, " n"]
    ends: Int[np.ndarray, " k"]
    weights: Float[np.ndarray, " k"]

    def of(self, word: int) -> Int[np.ndarray, " m"]:
        """The numbers that a word has."""
        return self.ends[self.offsets[word] : self.offsets[word + 1]]

    @property
    def counts(self) -> Int[np.ndarray, " n"]:
        """How many each word has."""
        return np.diff(self.offsets)

    def cut(self, most: int) -> Adjacency:
        """The same with the first ``most`` of each word."""
        counts = np.minimum(self.counts, most)
        offsets = np.concatenate([[0], counts.cumsum()])
        kept = np.repeat(self.offsets[:-1] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Adjacency(offsets, self.ends[kept], self.weights[kept])


def adjacency(rows: Iterable[tuple[int, int, float]], size: int) -> Adjacency:
    """The adjacency of ``size`` words from rows of word, end and weight; an end that a word has twice counts once."""
    heaviest: dict[tuple[int, int], float] = {}
    for word, end, weight in rows:
        heaviest[word, end] = max(weight, heaviest.get((word, end), weight))
    ordered = sorted((word, -weight, end) for (word, end), weight in heaviest.items())
    words, weights, ends = (np.array([row[place] for row in ordered]) for place in range(3))
    counts = np.bincount(words.astype(np.int64), minlength=size)
    return Adjacency(np.concatenate([[0], counts.cumsum()]), ends.astype(np.int64), -weights.astype(np.float64))


class WordGraph:
    """Words with how often they were counted, their neighbours, and their images, which are rows of a table.

    ``edges`` lead from a word to its neighbours; of them and of the images, :class:`WordGraphSettings` says how many
    are kept. ``files`` are where the images lie, in the order of their rows; a graph out of a checkpoint has none.
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: Int[np.ndarray, " n"],
        edges: Adjacency,
        images: Adjacency,
        files: Sequence[str],
        settings: WordGraphSettings,
    ) -> None:
        self.words, self.counts, self.files, self.settings = tuple(words), counts, tuple(files), settings
        self.edges, self.images = edges.cut(settings.max_neighbours), images.cut(settings.max_images)

    @classmethod
    def empty(cls) -> WordGraph:
        """A graph without a word."""
        nothing = adjacency((), 0)
        return cls((), np.zeros(0, np.int64), nothing, nothing, (), WordGraphSettings(""))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    def __getstate__(self) -> dict[str, Any]:
        """Other processes build the automaton anew, if they segment."""
        return {name: value for name, value in vars(self).items() if name != "_linker"}

    def neighbours(self, word: str) -> tuple[str, ...]:
        """The neighbours of a word, heaviest first, then by number; a word that the graph has not has none."""
        number = self.numbers.get(word)
        return () if number is None else tuple(self.words[end] for end in self.edges.of(number))

    def image_rows(self, word: str) -> tuple[int, ...]:
        """The rows of a word's images, heaviest first, then by name."""
        number = self.numbers.get(word)
        return () if number is None else tuple(self.images.of(number).tolist())

    @cached_property
    def _linker(self) -> EntityLinker:
        return EntityLinker(self.words, np.arange(len(self.words)), self.words)

    def matches(self, text: str) -> list[Segment]:
        """The words of the graph in a text: from left to right, the longest that begins at each place."""
        return [Segment(start, end, self.numbers[word]) for start, end, word in self._linker.link(text)]

    def segment(self, text: str) -> Iterator[Segment]:
        """Cuts a text into the words of the graph in it (:meth:`matches`) and other characters.

        >>> from mkgc.data.word_graph_settings import WordGraphSettings
        >>> nothing = adjacency([], 2)
        >>> graph = WordGraph(["明月", "月"], np.ones(2, int), nothing, nothing, (), WordGraphSettings(""))
        >>> [tuple(segment) for segment in graph.segment("明月照")]
        [(0, 2, 0), (2, 3, -1)]
        """
        at = 0
        for found in self.matches(text):
            yield from (Segment(place, place + 1, NO_WORD) for place in range(at, found.start))
            yield found
            at = found.end
        yield from (Segment(place, place + 1, NO_WORD) for place in range(at, len(text)))

    def digest(self) -> str:
        """What tells the graph that sentences are read with from others."""
        found = blake2b("\n".join(self.words).encode("utf-8", "surrogatepass"), digest_size=LENGTH)
        for part in (self.edges, self.images):
            found.update(part.offsets.astype("<i8").tobytes() + part.ends.astype("<i8").tobytes())
        names = "\n".join(Path(file).name for file in self.files)
        found.update(names.encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def state(self) -> dict[str, Any]:
        """Plain values from which :meth:`from_state` makes the graph again, but for the files of its images."""
        tables = {"edges": self.edges, "images": self.images}
        arrays = {
            f"{name}_{part}": torch.from_numpy(np.ascontiguousarray(getattr(table, part)))
            for name, table in tables.items()
            for part in Adjacency._fields
        }
        counts = torch.from_numpy(np.ascontiguousarray(self.counts))
        return {"words": [*self.words], "counts": counts, "settings": self.settings.carried(), **arrays}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> WordGraph:
        """Undoes :meth:`state`.

        Raises:
            CheckpointError: The values do not belong together.
        """
        words: Any = state["words"]
        edges, images = (
            Adjacency(*(state[f"{name}_{part}"].numpy() for part in Adjacency._fields)) for name in ("edges", "images")
        )
        if not (_fits(edges, len(words)) and _fits(images, len(words)) and (edges.ends < len(words)).all()):
            raise CheckpointError("the checkpoint's graph of words names what it does not have")
        settings = WordGraphSettings.from_carried(state["settings"])
        return cls(words, state["counts"].numpy(), edges, images, (), settings)


def _fits(table: Adjacency, size: int) -> bool:
    """Whether an adjacency is one of ``size`` words."""
    offsets, ends = table.offsets, table.ends
    if offsets.shape != (size + 1,) or offsets[0] or (np.diff(offsets) < 0).any() or (ends < 0).any():
        return False
    return bool(offsets[-1] == len(ends) == len(table.weights))
