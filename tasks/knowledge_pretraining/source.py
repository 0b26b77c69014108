"""The files of a corpus, and what a check says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from mkgc.data.atlas.facts import Country
from mkgc.data.context import KnowledgeContext, read_context
from mkgc.data.corpus import Corpus, open_corpus
from mkgc.data.cutting import spread_over
from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.digest import digest
from mkgc.data.examples import SPLITS, ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError
from mkgc.inspect.counts import compare_counts
from mkgc.inspect.knowledge_checks import inspect_knowledge
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.sentence_checks import measure_lengths
from tasks.knowledge_pretraining import atlas
from tasks.knowledge_pretraining.example import parse_sentence

SAMPLE = 10_000
"""Sentences of a split at most, spread over it, of which a check tells more than how many there are."""


class CorpusSource(DataSource):
    """Sentences in JSONL, a file a split or any number of shards (:func:`mkgc.data.formats.shards.find_shards`).

    Raises:
        ConfigError: A part of train is asked for, or another format.
        DataError: A file is missing, or a line malformed.
    """

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        if settings.format not in (None, "jsonl"):
            raise ConfigError(f"data.format={settings.format}: this task reads jsonl")
        for name in ("shots", "fraction"):
            if (value := getattr(settings, name)) is not None:
                raise ConfigError(f"data.{name}={value}: a corpus is read whole: leave it out")
        root = Path(settings.root)
        place = Path(settings.store or root) / "corpus.index"
        self.splits: Mapping[str, Corpus] = {
            split: open_corpus(root, split, parse_sentence, place, settings.workers) for split in SPLITS
        }

    @cached_property
    def knowledge(self) -> KnowledgeContext | None:
        """The graph that the sentences are read with, if the settings name one.

        Raises:
            DataError: It cannot be read.
        """
        return None if self.settings.knowledge is None else read_context(self.settings.knowledge)

    def examples(self) -> Mapping[str, Any]:
        return self.splits

    def digest(self) -> str:
        """Of the lines of all splits, which were digested when they were indexed."""
        return digest({split: [corpus.digest] for split, corpus in self.splits.items()})

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        return []

    def classes(self, example: Any) -> frozenset[str]:
        return frozenset()

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        sizes = {"sentences": [len(self.splits[split]) for split in SPLITS]}
        sample = {split: spread_over(corpus, SAMPLE) for split, corpus in self.splits.items()}
        large = [split for split in SPLITS if len(self.splits[split]) > SAMPLE]
        said = f"lengths and mentions of {' and '.join(large)} are those of {SAMPLE:,} sentences, spread over it"
        sections = [
            compare_counts("Counts", "what", sizes, published),
            measure_lengths(sample, dataset.processor),
            Section((), (Finding("info", said),) if large else ()),
        ]
        knowledge = getattr(dataset.processor, "knowledge", None)
        if knowledge is not None:
            features = {split: spread_over(part, SAMPLE) for split, part in dataset.features.items()}
            sections.append(inspect_knowledge(knowledge, features))
        return sections

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)
