"""Sentences with a mention and its types, in the layouts that are read, and what a check says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset
from mkgc.data.formats.converted import converted
from mkgc.data.formats.labelled import labelled
from mkgc.data.sentences import SentenceSource
from mkgc.data.settings import DataSettings
from mkgc.inspect.published import Published
from mkgc.inspect.report import Finding, Section
from mkgc.reports.table import Cell, Table
from tasks.entity_typing import atlas, cfet, figer, klmo
from tasks.entity_typing.example import TypingExample, parse_labelled


def types(example: TypingExample) -> frozenset[str]:
    """The types of an example's mention, if they are known."""
    return frozenset(example.types or ())


class TypingSource(SentenceSource):
    """People's own records, or published layouts; raises as :class:`SentenceSource` does."""

    kinds = "types"
    formats = {
        "jsonl": labelled(parse_labelled, types, "type"),
        "klmo": converted(klmo.records, parse_labelled, klmo.types),
        "cfet": converted(partial(cfet.records, cfet.COARSE), parse_labelled, partial(cfet.types, cfet.COARSE)),
        "cfet_fine": converted(partial(cfet.records, cfet.FINE), parse_labelled, partial(cfet.types, cfet.FINE)),
        "figer": converted(figer.records, parse_labelled, figer.types),
    }

    def classes(self, example: TypingExample) -> frozenset[str]:
        return types(example)

    def asked(self, example: TypingExample) -> Hashable:
        return example.mention

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return [*super().inspect(dataset, settings, published), count_types(self.splits)]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)


def count_types(splits: Mapping[str, Sequence[Any]]) -> Section:
    """How many types mentions have, and sets of types that train never shows together."""
    rows: list[tuple[Cell, ...]] = []
    findings = []
    known = {types(example) for example in splits["train"]}
    for split, part in splits.items():
        if not part:
            continue
        counts = Counter(len(types(example)) for example in part)
        new = sum(types(example) not in known for example in part)
        mean = sum(number * times for number, times in counts.items()) / len(part)
        rows.append((split, counts[1], len(part) - counts[1], round(mean, 2), max(counts), new))
        if split != "train" and new:
            text = f"{new:,} of {len(part):,} mentions of {split} have types that no mention of train has together"
            findings.append(Finding("info", text))
    columns = ("split", "one type", "several", "mean", "most", "new sets")
    return Section((Table("Types of a mention", columns, tuple(rows)),), tuple(findings))
