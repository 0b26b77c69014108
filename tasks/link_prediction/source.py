"""The graph of link prediction, and what a check says of its prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset
from mkgc.data.graph_source import GraphSource
from mkgc.data.settings import DataSettings
from mkgc.inspect.published import Published
from mkgc.inspect.report import Section
from mkgc.inspect.sentence_checks import spread
from mkgc.inspect.unknown_pieces import measure_vocabulary
from mkgc.reports.table import Cell, Table
from tasks.link_prediction import atlas


class LinkSource(GraphSource):
    """Raises as :class:`GraphSource` does."""

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        return [*super().inspect(dataset, settings, published), *_prompts(dataset)]

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)


def _prompts(dataset: Dataset) -> list[Section]:
    """Lengths of prompts, or of whole triples, those whose text is cut, and the vocabulary, where texts are read."""
    texts, limit = dataset.processor.texts(), dataset.processor.settings.max_length
    if not texts:
        return []
    rows: list[tuple[Cell, ...]] = []
    for split, items in dataset.features.items():
        lengths = items.whole_lengths.tolist()  # type: ignore[attr-defined]  # queries have it
        rows.append((split, len(lengths), *spread(lengths), sum(length > limit for length in lengths)))
    (reads,) = {items.reads for items in dataset.features.values()}  # type: ignore[attr-defined]
    columns = ("split", reads, "median", "90th percentile", "longest", f"over {limit}")
    prompts = Section((Table(f"{reads.capitalize()}, in pieces", columns, tuple(rows)),))
    return [prompts, measure_vocabulary(dataset.processor.tokenizer, texts)]
