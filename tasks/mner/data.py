"""Sentences with a tag per word become ids, with the first piece of each word marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.cutting import Cut, check_room, cut_words, describe_cut
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths
from mkgc.data.notes import note_twins
from mkgc.data.processor import image_batch, pad, text_batch
from mkgc.data.sentences import SentenceProcessor, read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.errors import DataError
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.spans import bio_spans
from mkgc.nn.crf import repair_bio
from tasks.mner.example import TaggedExample, parse_tagged
from tasks.mner.source import TaggedSource


@dataclass(frozen=True)
class TaggedFeatures:
    """A sentence as ids; ``first`` says which pieces begin a word, ``tags`` has one entry a word that is read.

    ``cut`` says what of it is not read.
    """

    ids: tuple[int, ...]
    first: tuple[bool, ...]
    tags: tuple[int, ...]
    words: tuple[str, ...]
    gold: tuple[str, ...]
    images: ImagePaths
    cut: Cut | None = None


@dataclass(frozen=True)
class TaggedBatch(Part):
    """``tags`` holds the tags of the words, packed and padded with 0; ``gold`` those of the whole sentences."""

    text: Text
    images: tuple[Images, ...]
    first: Bool[Tensor, "B T"]
    tags: Int[Tensor, "B W"]
    words: tuple[tuple[str, ...], ...]
    gold: tuple[tuple[str, ...], ...]


class TaggingProcessor(SentenceProcessor):
    """Splits words into pieces, and cuts long words, then ends of sentences; the labels are entity types.

    Raises:
        ConfigError: ``data.max_length`` leaves no room for a word.
    """

    kind = "entity type"

    def __init__(self, tokenizer: Tokenizer, labels: tuple[str, ...], settings: DataSettings) -> None:
        super().__init__(tokenizer, labels, settings)
        check_room(settings.max_length, 3, "a piece, and a mark at either end")
        self.tags = ("O", *(f"{mark}-{label}" for label in labels for mark in "BI"))
        self.index = {tag: i for i, tag in enumerate(self.tags)}

    def encode(self, example: TaggedExample) -> TaggedFeatures:
        """Ids between [CLS] and [SEP]; words of which nothing fits into ``max_length`` are predicted as O."""
        pieces, gold = self.tokenizer.pieces(example.tokens), example.tags or ()
        legal = repair_bio(gold)
        lengths = [len(ids) for ids in pieces]
        kept = cut_words(lengths, self.settings.max_length - 2, range(len(pieces)))
        ids, first = [self.tokenizer.start], [False]
        for own, count in zip(pieces, kept, strict=True):
            ids += own[:count]
            first += [i == 0 for i in range(count)]
        read = sum(count > 0 for count in kept)
        tags = tuple(self.index[tag] for tag in legal[:read]) or (0,) * read
        cut = describe_cut(lengths, kept, [(kind, range(start, end)) for kind, start, end in bio_spans(legal)])
        closed = (*ids, self.tokenizer.stop)
        return TaggedFeatures(closed, (*first, False), tags, example.tokens, gold, example.images, cut)

    def collate(self, features: Sequence[TaggedFeatures], store: LoadedImages) -> TaggedBatch:
        settings = self.settings
        return TaggedBatch(
            text_batch([item.ids for item in features], self.tokenizer.pad, settings.least_length),
            image_batch([item.images for item in features], settings.images, settings.max_images, store),
            pad([[int(first) for first in item.first] for item in features], 0, settings.least_length).bool(),
            pad([item.tags for item in features], 0),
            tuple(item.words for item in features),
            tuple(item.gold for item in features),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> TaggedFeatures:
        return self.encode(parse_tagged(record, folder, place))


def read(
    source: TaggedSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: TaggingProcessor | None = None,
) -> Dataset:
    """Encodes tagged sentences for a trained model's ``processor`` or for a new one.

    Raises:
        DataError: A new model would find no entity in train; else as :func:`read_sentences` does.
    """
    if processor is None and not source.labels:
        raise DataError("every tag of train is O: there is no entity type to learn", source.settings.root)
    silent = source.note_silent(lambda example: set(example.tags) != {"O"}, "an entity")
    notes = (*note_twins("entity types", source.labels), *silent)
    return read_sentences(source, TaggingProcessor, tokenizer, processor, notes)
