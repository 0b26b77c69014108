"""Captions of images, in the layouts that are read, and what a check says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.examples import SPLITS, ImagePaths
from mkgc.data.formats import chosen, jsonl
from mkgc.data.formats.labelled import NAMES
from mkgc.data.formats.locate import find_unnamed
from mkgc.data.formats.text_files import find
from mkgc.data.formats.unmatched import note_unmatched
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from mkgc.images.policy import shown
from mkgc.inspect.counts import compare_counts
from mkgc.inspect.image_checks import judge_skipping
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Section
from mkgc.inspect.sentence_checks import measure_lengths
from tasks.retrieval.example import GROUP, CaptionExample, parse_pairs

CaptionFormat = Callable[[Path, str], Sequence[CaptionExample]]
"""From the folder of a data set and a split's name to the pairs of the split."""


def read_jsonl(root: Path, split: str) -> list[CaptionExample]:
    """The pairs of a split whose records are one a line (:func:`tasks.retrieval.example.parse_pairs`).

    Raises:
        DataError: The file is missing or empty, a record cannot be used, or two have the same id.
    """
    records, places = jsonl.require_records(jsonl.read_records(find(*(root / name for name in NAMES[split]))))
    pairs, known = [], dict[str, str]()
    for record, place in zip(records, places, strict=True):
        pairs += parse_pairs(record, root, place)
        name = str(record["id"]) if record.get("id") is not None else None
        if name is not None and known.setdefault(name, place) != place:
            raise DataError(f"the id '{name:.40}' is that of {known[name]}, too", place)
    return pairs


class CaptionSource(DataSource):
    """Pairs of captions and images, in one of several ``formats``.

    Raises:
        ConfigError: The task has no such format, or so many pairs of each class are asked for, which have none.
        DataError: A file is missing or a line malformed.
    """

    formats: ClassVar[Mapping[str, CaptionFormat]] = {"jsonl": read_jsonl}

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        if settings.shots is not None:
            raise ConfigError(f"data.shots={settings.shots}: captions have no classes: give data.fraction")
        root, read = Path(settings.root), chosen(self.formats, settings.format)
        self.splits: Mapping[str, Sequence[CaptionExample]] = {split: read(root, split) for split in SPLITS}
        paths = [path for part in self.splits.values() for example in part for path in example.images[GROUP]]
        self.notes = note_unmatched(find_unnamed(paths, paths), root, "no caption names")

    def examples(self) -> Mapping[str, Sequence[CaptionExample]]:
        return self.splits

    def images(self, broken: Collection[Path] = ()) -> list[ImagePaths]:
        return [shown(example.images, self.settings) for part in self.splits.values() for example in part]

    def classes(self, example: Any) -> frozenset[str]:
        return frozenset()

    def inspect(self, dataset: Dataset, settings: DataSettings, published: Published | None) -> list[Section]:
        counts = {
            "pairs": [len(self.splits[split]) for split in SPLITS],
            "captions": [len({e.text for e in self.splits[split]}) for split in SPLITS],
            "images": [len({e.image for e in self.splits[split]}) for split in SPLITS],
        }
        return [
            compare_counts("Counts", "what", counts, published),
            find_overlap(self._compared()),
            measure_lengths(self.splits, dataset.processor),
            judge_skipping(self.splits, dataset.store.problems, settings),
        ]

    def _compared(self) -> dict[str, dict[str, list[Hashable]]]:
        """Keys by which pairs are compared: their captions, their images, and both."""
        keys: dict[str, Callable[[CaptionExample], Hashable]] = {
            "text": lambda e: e.text,
            "image": lambda e: e.image,
            "pair": lambda e: (e.text, e.image),
        }
        return {name: {s: [key(e) for e in part] for s, part in self.splits.items()} for name, key in keys.items()}
