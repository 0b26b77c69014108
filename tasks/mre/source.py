"""Sentences with marked mentions, in the layouts that are read, and what a check says of their mentions."""

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
from mkgc.reports.table import Table
from mkgc.terminal import plural
from tasks.mre import atlas, mnre
from tasks.mre.example import RelationExample, parse_labelled


def _relation(example: RelationExample) -> frozenset[str]:
    return frozenset() if example.relation is None else frozenset({example.relation})


OWN = labelled(parse_labelled, _relation, "relation")


def _none_first(root: Path) -> tuple[str, ...]:
    return tuple(sorted(OWN.labels(root), key=lambda name: name != "None"))


class RelationSource(SentenceSource):
    """MNRE's layout, or people's own records; raises as :class:`SentenceSource` does."""

    kinds = "relations"
    formats = {
        "mnre": SentenceFormat(mnre.read, mnre.read_labels),
        "jsonl": SentenceFormat(OWN.examples, _none_first),
    }

    def classes(self, example: RelationExample) -> frozenset[str]:
        return _relation(example)

    def asked(self, example: RelationExample) -> Hashable:
        return example.head, example.tail

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return [*super().inspect(dataset, settings, published), look_at_spans(self.splits)]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)


def _have(number: int, split: str) -> str:
    return plural(number, f"example of {split} has", f"examples of {split} have")


def look_at_spans(splits: Mapping[str, Sequence[Any]]) -> Section:
    """Mentions that overlap, and those that end with the sentence: both break loaders that mark words one by one."""
    rows = []
    for split, examples in splits.items():
        overlapping = sum(e.head.start < e.tail.end and e.tail.start < e.head.end for e in examples)
        last = sum(span.end == len(e.tokens) for e in examples for span in (e.head, e.tail))
        if examples:
            rows.append((split, overlapping, last))
    findings = [
        Finding("info", f"{overlapping:,} {_have(overlapping, split)} a head and a tail that overlap")
        for split, overlapping, _ in rows
        if overlapping
    ]
    columns = ("split", "head and tail overlap", "mentions at the end of the sentence")
    return Section((Table("Mentions", columns, tuple(rows)),), tuple(findings))
