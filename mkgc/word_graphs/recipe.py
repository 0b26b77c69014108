"""How a graph of words is made: which words, which neighbours, which images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.app.ranges import Count, Natural, PartialShare, Seed
from mkgc.data.digest import LENGTH
from mkgc.data.script import in_script
from mkgc.errors import ConfigError, DataError
from mkgc.word_graphs.counting import Segmenter, count_words
from mkgc.word_graphs.edges import Edge, keyword_edges, part_edges, sememe_edges, strongest, whole_edges
from mkgc.word_graphs.pictures import Picture, Sememe, by_keyword, hold_out, read_pictures, read_sememes

FORMAT = 1

KEYS = ("name", "keywords")
"""Where the keywords of people's own pictures stand."""


class ShownImage(NamedTuple):
    """An image of a word, with its weight."""

    word: str
    image: Path
    weight: float


class MadeGraph(NamedTuple):
    """A graph of words: how often each word was counted, edges, images; ``held_out`` keywords are in none of them."""

    words: Mapping[str, int]
    edges: Sequence[Edge]
    images: Sequence[ShownImage]
    held_out: Sequence[str]


@dataclass(frozen=True)
class WordGraphRecipe:
    """Which texts' words a graph has, and where their neighbours and images come from.

    Words that stand in the texts at least ``min_count`` times are taken, if they have a neighbour or an image:
    ``segmenter`` says how texts are cut. ``pictures`` is a JSONL file of images with keywords under ``keys``: a word
    that is one shows its images, and has the other keywords of these as neighbours; one that contains one has that.
    ``sememes`` is a table of further neighbours. With ``index`` (of mkgc.index), images are those nearest to a word
    instead. Of each word, ``max_neighbours`` and ``max_images`` are kept. ``held_out`` is the share of keywords that
    are left out, drawn with ``seed``, so that something is left to judge by.

    Raises:
        ConfigError: There is nothing that gives words neighbours or images.
    """

    output: str
    pictures: str | None = None
    keys: Sequence[str] = KEYS
    sememes: str | None = None
    index: str | None = None
    segmenter: Segmenter = "jieba"
    min_count: Count = 2
    max_neighbours: Natural = 10
    max_images: Count = 10
    held_out: PartialShare = 0.0
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.pictures is None and self.sememes is None and self.index is None:
            raise ConfigError(
                "give graph.pictures=FILE.jsonl (images with keywords), graph.sememes=FILE.tsv (words with sememes) or "
                "graph.index=DIR (of mkgc.index): without any, words have neither neighbours nor images"
            )

    def read(self, language: str | None) -> tuple[list[Picture], list[str], list[Sememe]]:
        """The pictures without held-out keywords, these, and the sememes, in the script of a ``language``.

        Raises:
            DataError: A file cannot be used.
        """
        write = partial(in_script, language=language)
        given = [] if self.pictures is None else read_pictures(Path(self.pictures), self.keys, write)
        pictures, held = hold_out(given, self.held_out, self.seed)
        sememes = [] if self.sememes is None else [*read_sememes(Path(self.sememes), write)]
        return pictures, held, [one for one in sememes if not {one.word, one.sememe} & {*held}]

    def make(self, texts: Sequence[str], language: str | None) -> MadeGraph:
        """The graph of some texts, but for images by similarity.

        Raises:
            DataError: A file cannot be used, or no word is left.
        """
        pictures, held, sememes = self.read(language)
        shown = by_keyword(pictures)
        dictionary = {*shown, *(one.word for one in sememes), *(one.sememe for one in sememes)}
        counted = count_words(texts, dictionary, self.segmenter)
        frequent = {word for word, count in counted.items() if count >= self.min_count} - {*held}
        edges = strongest(self._edges(frequent, pictures, shown, sememes), self.max_neighbours)
        shows = frequent if self.index is not None else {word for word in frequent if word in shown}
        words = shows | {end for edge in edges for end in (edge.word, edge.neighbour)}
        if not words:
            raise DataError(
                f"no word stands {self.min_count:,} times or more in {len(texts):,} texts and has a neighbour or an "
                "image: lower graph.min_count, or give other pictures or sememes"
            )
        ordered = sorted(words, key=lambda word: (-counted[word], word))
        place = {word: number for number, word in enumerate(ordered)}
        edges = sorted(edges, key=lambda e: (place[e.word], -e.weight, place[e.neighbour]))
        counts = {word: counted[word] for word in ordered}
        return MadeGraph(counts, edges, self._images(ordered, pictures, shown), held)

    def _edges(
        self,
        words: set[str],
        pictures: Sequence[Picture],
        shown: Mapping[str, Mapping[int, float]],
        sememes: Sequence[Sememe],
    ) -> Iterable[Edge]:
        yield from keyword_edges(words, pictures, shown)
        yield from part_edges(words, shown.keys())
        yield from whole_edges(words, shown)
        yield from sememe_edges(words, sememes)

    def _images(
        self, words: Sequence[str], pictures: Sequence[Picture], shown: Mapping[str, Mapping[int, float]]
    ) -> list[ShownImage]:
        """The images of words by their keywords, heaviest first, then by name."""
        if self.index is not None:
            return []
        found = []
        for word in words:
            near = sorted((-weight, str(pictures[number].file)) for number, weight in shown.get(word, {}).items())
            found += [ShownImage(word, Path(file), -weight) for weight, file in near[: self.max_images]]
        return found

    def described(self) -> dict[str, Any]:
        """The settings, with places as seen from the output: it may be moved with what is beside it."""
        settings = asdict(self) | {"keys": [*self.keys]}
        del settings["output"]
        places = {name: settings[name] for name in ("pictures", "sememes", "index") if settings[name] is not None}
        return settings | {name: os.path.relpath(place, self.output) for name, place in places.items()}

    def digest(self, texts: Iterable[str], language: str | None) -> str:
        """What tells the files of a graph from those of others: settings, texts, and what is read beside them."""
        found = blake2b(repr((FORMAT, self.described(), language)).encode(), digest_size=LENGTH)
        for text in texts:
            found.update(f"{text}\n".encode("utf-8", "surrogatepass"))
        named = {"pictures": self.pictures, "sememes": self.sememes}
        files = {key: Path(name) for key, name in named.items() if name is not None}
        if self.index is not None:
            files["index"] = Path(self.index) / "index.npz"
        for key, file in files.items():
            found.update(_bytes(file, key))
        return found.hexdigest()


def _bytes(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"no such file: graph.{key} says where it is, or null that there is none", path) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error
