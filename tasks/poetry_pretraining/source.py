"""Poems, in the layouts that are read, with the graph of words that they are read with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.examples import SPLITS, ImagePaths
from mkgc.data.formats import chosen, jsonl
from mkgc.data.formats.converted import Placed
from mkgc.data.formats.labelled import NAMES
from mkgc.data.formats.text_files import find
from mkgc.data.formats.word_graphs import read_word_graph
from mkgc.data.script import SCRIPTS
from mkgc.data.settings import DataSettings
from mkgc.data.split import split_rows
from mkgc.data.word_graph import WordGraph
from mkgc.errors import ConfigError, DataError
from mkgc.inspect.counts import compare_counts
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.sentence_checks import measure_lengths
from mkgc.inspect.word_graph_checks import inspect_word_graph
from mkgc.terminal import plural
from tasks.poetry_pretraining import atlas
from tasks.poetry_pretraining.example import PoemExample, parse_poem
from tasks.poetry_pretraining.layouts import ANTHOLOGIES, chinese_poetry, pkg_bert

Records = Callable[[Path, list[Finding]], Iterable[Placed]]
"""The records of a folder whose poems are one set; notes are added to the list."""


class PoemFormat(NamedTuple):
    """A layout whose ``records`` are one set, of which dev and test are drawn; None: a file a split."""

    records: Records | None = None


class PoemSource(DataSource):
    """Poems, in one of several ``formats``.

    Raises:
        ConfigError: The task has no such format or script, or so many poems of each class are asked for, which have
            none.
        DataError: A file is missing or empty, or a poem malformed.
    """

    formats: ClassVar[Mapping[str, PoemFormat]] = {
        "jsonl": PoemFormat(),
        "poems": PoemFormat(lambda root, notes: _own(root / "poems.jsonl")),
        "chinese_poetry": PoemFormat(chinese_poetry),
        "chinese_poetry_anthologies": PoemFormat(partial(chinese_poetry, names=ANTHOLOGIES)),
        "pkg_bert": PoemFormat(pkg_bert),
    }
    drawn_formats = tuple(name for name, form in formats.items() if form.records is not None)
    multilingual_formats = tuple(formats)
    has_words = True

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        if settings.shots is not None:
            raise ConfigError(f"data.shots={settings.shots}: poems have no classes: give data.fraction")
        if settings.language not in (None, *SCRIPTS):
            raise ConfigError(f"data.language={settings.language}: choose {' or '.join(SCRIPTS)}, or null")
        notes: list[Finding] = []
        form, root = chosen(self.formats, settings.format), Path(settings.root)
        if form.records is None:
            self.splits = {s: self._read(_own(*(root / name for name in NAMES[s])), s, notes) for s in SPLITS}
        else:
            self.splits = _draw(self._read(form.records(root, notes), "all", notes), settings, notes)
        self.notes = tuple(notes)

    def _read(self, placed: Iterable[Placed], split: str, notes: list[Finding]) -> list[PoemExample]:
        """The poems of some records, each once."""
        poems = [parse_poem(record, place, self.settings.language) for record, place in placed]
        first = {poem.letters: poem for poem in reversed(poems)}
        once = [poem for poem in poems if first[poem.letters] is poem]
        if twice := len(poems) - len(once):
            repeat = plural(twice, "poem repeats", "poems repeat")
            notes.append(
                Finding("info", f"{split}: {twice:,} of {len(poems):,} {repeat} the words of another: left out")
            )
        return once

    @cached_property
    def word_graph(self) -> WordGraph | None:
        """The graph of words that the settings name, if any.

        Raises:
            MkgcError: It cannot be read.
        """
        return None if self.settings.word_graph is None else read_word_graph(self.settings.word_graph)

    def examples(self) -> Mapping[str, Sequence[PoemExample]]:
        return self.splits

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        graph = self.word_graph
        return [] if graph is None else [{"image": (Path(file),)} for file in graph.files]

    def classes(self, example: Any) -> frozenset[str]:
        return frozenset()

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        parts = [self.splits[split] for split in SPLITS]
        counts = {
            "poems": [*map(len, parts)],
            "lines": [sum(len(poem.lines) for poem in part) for part in parts],
            "authors": [len({poem.author for poem in part} - {""}) for part in parts],
        }
        keys = {split: [poem.letters for poem in part] for split, part in self.splits.items()}
        titled = {split: [(poem.title, poem.letters) for poem in part] for split, part in self.splits.items()}
        sections = [
            compare_counts("Counts", "what", counts, published),
            find_overlap({"words": keys, "title and words": titled}),
            measure_lengths(self.splits, dataset.processor),
        ]
        if self.word_graph is not None:
            texts = {split: [poem.text for poem in part] for split, part in self.splits.items()}
            sections.append(inspect_word_graph(self.word_graph, texts))
        return sections

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, random)


def _own(*candidates: Path) -> Iterable[Placed]:
    """People's own records."""
    return zip(*jsonl.require_records(jsonl.read_records(find(*candidates))), strict=True)


def _draw(poems: Sequence[PoemExample], settings: DataSettings, notes: list[Finding]) -> dict[str, list[PoemExample]]:
    """The poems of each split, drawn by their letters."""
    assert settings.split is not None  # as the source has checked
    parts = dict(zip(SPLITS, split_rows([poem.letters for poem in poems], settings.split), strict=True))
    if empty := next((split for split, rows in parts.items() if not rows), None):
        raise DataError(f"no poem of {len(poems):,} is left for {empty}: choose other shares (data.split)")
    sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in parts.items())
    notes.append(Finding("info", f"poems split with seed {int(settings.split['seed'])}: {sizes}"))
    return {split: [poems[row] for row in rows] for split, rows in parts.items()}
