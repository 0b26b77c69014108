"""Sentences with two mentions, and what a check says of the places of these."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from mkgc.data.dataset import Dataset
from mkgc.data.sentences import SentenceSource
from mkgc.data.settings import DataSettings
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.relations.example import RelationExample, relations
from mkgc.reports.table import Table
from mkgc.terminal import plural


class PairSource(SentenceSource):
    """Sentences with two mentions and their relation, in a task's formats; raises as :class:`SentenceSource` does."""

    kinds = "relations"

    def classes(self, example: RelationExample) -> frozenset[str]:
        return relations(example)

    def asked(self, example: RelationExample) -> Hashable:
        return example.head, example.tail

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return [*super().inspect(dataset, settings, published), look_at_spans(self.splits)]


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
