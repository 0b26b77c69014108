"""Tagged sentences, in the layouts that are read, and what a check says of their tags."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset
from mkgc.data.formats import SentenceFormat
from mkgc.data.formats.labelled import labelled
from mkgc.data.sentences import SentenceSource
from mkgc.data.settings import DataSettings
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.nn.crf import repair_bio
from mkgc.reports.table import Table
from mkgc.terminal import plural
from tasks.mner import atlas, twitter
from tasks.mner.example import TaggedExample, parse_labelled
from tasks.mner.schemes import in_one_scheme


def types(example: TaggedExample) -> frozenset[str]:
    """The entity types that occur in an example."""
    return frozenset(tag[2:] for tag in example.tags or () if tag != "O")


class TaggedSource(SentenceSource):
    """Twitter's layout, or people's own records, with tags in IOB2.

    Raises:
        DataError: The tags are of no one scheme; else as :class:`SentenceSource` does.
    """

    kinds = "entity types"
    formats = {
        "twitter": SentenceFormat(twitter.read, twitter.read_labels),
        "jsonl": labelled(parse_labelled, types, "entity type"),
    }

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        self.splits, notes = in_one_scheme(self.splits)
        self.notes = (*self.notes, *notes)

    def classes(self, example: TaggedExample) -> frozenset[str]:
        return types(example)

    def occurring(self, example: TaggedExample) -> list[str]:
        return [tag[2:] for tag in example.tags or () if tag.startswith("B-")]

    def asked(self, example: TaggedExample) -> Hashable:
        return example.tags

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return [*super().inspect(dataset, settings, published), look_at_tags(self.splits)]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)


def _repaired(number: int, split: str) -> str:
    one = f"I- tag of {split} continues no mention of its type; it is"
    return plural(number, one, f"I- tags of {split} continue no mention of their type; they are")


def look_at_tags(splits: Mapping[str, Sequence[Any]]) -> Section:
    """I- tags that continue no mention of their type, which training turns into B-."""
    rows = []
    for split, part in splits.items():
        tags = [e.tags for e in part if e.tags]
        repaired = sum(old != new for row in tags for old, new in zip(row, repair_bio(row), strict=True))
        if tags:
            rows.append((split, sum(map(len, tags)), repaired))
    findings = [
        Finding("info", f"{repaired:,} {_repaired(repaired, split)} read as B-")
        for split, _, repaired in rows
        if repaired
    ]
    columns = ("split", "tags", "I- that continues nothing")
    return Section((Table("Tags", columns, tuple(rows)),), tuple(findings))
