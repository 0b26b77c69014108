"""Captions of images, in the layouts that are read, and what a check says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from mkgc.data.atlas.facts import Country
from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.examples import SPLITS, ImagePaths
from mkgc.data.formats import chosen
from mkgc.data.formats.locate import find_unnamed
from mkgc.data.formats.unmatched import note_unmatched
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError
from mkgc.images.equal import first_equal
from mkgc.images.policy import shown
from mkgc.inspect.counts import compare_counts, compare_sizes
from mkgc.inspect.image_checks import judge_skipping
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import Published
from mkgc.inspect.report import Section
from mkgc.inspect.sentence_checks import measure_lengths
from tasks.retrieval import atlas, chinese_clip, numbered
from tasks.retrieval.example import GROUP, CaptionExample
from tasks.retrieval.formats import CaptionFormat, read_splits, records_of_one_file, records_of_splits
from tasks.retrieval.pictures import emoji, flags, stamps


class CaptionSource(DataSource):
    """Pairs of captions and images, in one of several ``formats``.

    Raises:
        ConfigError: The task has no such format, or so many pairs of each class are asked for, which have none.
        DataError: A file is missing or a line malformed.
    """

    formats: ClassVar[Mapping[str, CaptionFormat]] = {
        "jsonl": CaptionFormat(records_of_splits, multilingual=True),
        "captions": CaptionFormat(records_of_one_file, drawn=True, multilingual=True),
        "emoji_zh": CaptionFormat(emoji, drawn=True, multilingual=True),
        "emoji_zh_keywords": CaptionFormat(partial(emoji, keywords=True), drawn=True, multilingual=True),
        "tuxpaint": CaptionFormat(stamps, drawn=True, multilingual=True),
        "flags": CaptionFormat(flags, drawn=True, multilingual=True),
        "chinese_clip": CaptionFormat(chinese_clip.records),
        "flickr8k_cn": CaptionFormat(numbered.flickr8k),
        "flickr8k_cn_translated": CaptionFormat(partial(numbered.flickr8k, translated=True)),
        "flickr30k_cn": CaptionFormat(numbered.flickr30k),
        "coco_cn": CaptionFormat(numbered.coco),
        "coco_cn_ext": CaptionFormat(numbered.coco_extension, drawn=True),
    }
    drawn_formats = tuple(name for name, form in formats.items() if form.drawn)
    multilingual_formats = tuple(name for name, form in formats.items() if form.multilingual)

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        if settings.shots is not None:
            raise ConfigError(f"data.shots={settings.shots}: captions have no classes: give data.fraction")
        self.splits, notes = read_splits(chosen(self.formats, settings.format), settings)
        paths = [path for part in self.splits.values() for example in part for path in example.images[GROUP]]
        unnamed = note_unmatched(find_unnamed(paths, paths), Path(settings.root), "no caption names")
        self.notes = (*notes, *unnamed)

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
            compare_sizes(self._sizes(), published),
            find_overlap(self._compared()),
            measure_lengths(self.splits, dataset.processor),
            judge_skipping(self.splits, dataset.store.problems, settings),
        ]

    def _sizes(self) -> dict[str, int]:
        """The same of all splits together."""
        pairs = [pair for part in self.splits.values() for pair in part]
        texts, images = {pair.text for pair in pairs}, {pair.image for pair in pairs}
        return {"pairs": len(pairs), "captions": len(texts), "images": len(images)}

    def _compared(self) -> dict[str, dict[str, list[Hashable]]]:
        """Keys by which pairs are compared: what their images hold, which no two splits share, their captions, both."""
        first = first_equal(path for part in self.splits.values() for pair in part for path in pair.images[GROUP])

        def image(pair: CaptionExample) -> Path:
            return first[pair.images[GROUP][0]]

        keys: dict[str, Callable[[CaptionExample], Hashable]] = {
            "image": image,
            "text": lambda pair: pair.text,
            "pair": lambda pair: (pair.text, image(pair)),
        }
        return {
            name: {s: [key(pair) for pair in part] for s, part in self.splits.items()} for name, key in keys.items()
        }

    @classmethod
    def draw_atlas(cls, folder: Path, countries: Mapping[str, Country], random: Random) -> None:
        atlas.write(folder, countries, random)
