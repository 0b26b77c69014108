"""Pairs of captions and images become token ids and pixels, with numbers that say which are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.cutting import Cut, check_room, note_cuts
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths
from mkgc.data.processor import Processor, image_batch, text_batch
from mkgc.data.settings import DataSettings
from mkgc.data.subsets import subset_rows
from mkgc.data.tokens import Tokenizer, learned
from mkgc.errors import ConfigError, ImagesNeededError
from mkgc.images.loaded import LoadedImages
from mkgc.images.policy import load_images
from mkgc.inspect.report import Finding
from tasks.retrieval.example import GROUP, CaptionExample
from tasks.retrieval.question import Question, parse_question
from tasks.retrieval.source import CaptionSource
from tasks.retrieval.templates import SLOT, fill


@dataclass(frozen=True)
class CaptionFeatures:
    """A pair: the caption's ids, and the numbers of caption and image, by which equal ones are known as such.

    Where a caption is the name of a class, ``ids`` are those of its first sentence, ``others`` those of further ones.
    """

    ids: tuple[int, ...]
    images: ImagePaths
    text_id: int = -1
    image_id: int = -1
    cut: Cut | None = None
    others: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class RetrievalBatch(Part):
    """Pairs, row by row a text and its image; rows of one text or of one image have its number.

    Where captions are names of classes, ``text`` has the sentences of each, equally many, one after the other.
    """

    text: Text
    images: tuple[Images, ...]
    text_ids: Int[Tensor, " B"]
    image_ids: Int[Tensor, " B"]


class RetrievalProcessor(Processor):
    """Encodes captions from their beginning on, as far as ``data.max_length`` allows, and pairs them with their images.

    Raises:
        ConfigError: There is no room for a piece, or not exactly one group of images.
    """

    def __init__(self, tokenizer: Tokenizer, settings: DataSettings) -> None:
        check_room(settings.max_length, 3, "a piece, and a mark at either end")
        if [*settings.images] != [GROUP]:
            raise ConfigError(
                f"data.images={dict(settings.images)}: a pair has one image: give its size, {{{GROUP}: 224}}"
            )
        self.tokenizer, self.settings = tokenizer, settings
        self.templates: tuple[str, ...] = (SLOT,)  # sentences that are made of each caption

    def encode_text(self, text: str) -> tuple[tuple[int, ...], Cut | None]:
        """The ids of a text between its marks, and what of it was cut at its end."""
        pieces, room = self.tokenizer.ids(text), self.settings.max_length - 2
        ids = (self.tokenizer.start, *pieces[:room], self.tokenizer.stop)
        return ids, Cut(len(pieces) - room) if len(pieces) > room else None

    def encode(self, example: CaptionExample, text_id: int = -1, image_id: int = -1) -> CaptionFeatures:
        """The features of a pair, whose caption and image have these numbers."""
        encoded = [self.encode_text(sentence) for sentence in fill(self.templates, example.text)]
        (ids, *others), cuts = zip(*encoded, strict=True)
        cut = next((one for one in cuts if one is not None), None)
        return CaptionFeatures(ids, example.images, text_id, image_id, cut, tuple(others))

    def texts_of(self, rows: Sequence[Sequence[int]]) -> Text:
        """A batch of the ids of texts."""
        return text_batch(rows, self.tokenizer.pad, self.settings.least_length)

    def readings(self, features: Sequence[CaptionFeatures]) -> Iterable[Sequence[int]]:
        return (ids for item in features for ids in (item.ids, *item.others))

    def collate(self, features: Sequence[CaptionFeatures], store: LoadedImages) -> RetrievalBatch:
        return RetrievalBatch(
            self.texts_of([*self.readings(features)]),
            image_batch([item.images for item in features], self.settings.images, 1, store),
            torch.tensor([item.text_id for item in features]),
            torch.tensor([item.image_id for item in features]),
        )

    def without_images(self, features: Sequence[Any]) -> Sequence[Any]:
        raise ImagesNeededError("a caption without an image is no pair")

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> Question:
        return parse_question(self.encode_text, record, folder, place)

    def named(self) -> dict[str, Sequence[str]]:
        return {"word piece": self.tokenizer.names}

    def state(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.state(), "settings": self.settings.carried()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RetrievalProcessor:
        return cls(Tokenizer.from_state(state["tokenizer"]), DataSettings.from_carried(state["settings"]))


def read(
    source: CaptionSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: RetrievalProcessor | None = None,
) -> Dataset:
    """Encodes pairs for a trained model's ``processor`` or for a new one.

    A pair whose image cannot be used is left out, unless ``data.bad_images`` is ``fail``.

    Raises:
        ConfigError: There is no tokenizer, as the backbone reads no text.
        DataError: An image cannot be used, and that is to be an error, or a split has no pair left.
    """
    settings, rows = source.settings, subset_rows(source, source.settings)
    train = source.splits["train"] if rows is None else [source.splits["train"][row] for row in rows]
    lenient = settings if settings.bad_images == "fail" else replace(settings, bad_images="skip")
    examples, store, coverage = load_images({**source.splits, "train": train}, lenient)
    if processor is None:
        if tokenizer is None:
            raise ConfigError("this task reads captions, and this backbone no text (backbone.inputs)")
        processor = RetrievalProcessor(tokenizer(example.text for example in examples["train"]), settings)
    features = _numbered(examples, processor)
    limit = processor.settings.max_length
    cuts = [note for split, part in features.items() for note in note_cuts(split, [one.cut for one in part], limit)]
    notes = (*source.notes, *_left_out({**source.splits, "train": train}, examples), *cuts)
    return Dataset(source, processor, features, store, coverage, notes, examples=examples)


def _numbered(
    examples: Mapping[str, Sequence[CaptionExample]], processor: RetrievalProcessor
) -> dict[str, list[CaptionFeatures]]:
    """The features of pairs, whose captions and images are numbered as they come."""
    texts: dict[str, int] = {}
    images: dict[str, int] = {}
    return {
        split: [
            processor.encode(one, texts.setdefault(one.text, len(texts)), images.setdefault(one.image, len(images)))
            for one in part
        ]
        for split, part in examples.items()
    }


def _left_out(read: Mapping[str, Sequence[Any]], used: Mapping[str, Sequence[Any]]) -> list[Finding]:
    counts = ((split, len(part) - len(used[split]), len(part)) for split, part in read.items())
    return [
        Finding("warning", f"{lost:,} of {all_:,} pairs of {split} are left out: their image cannot be used")
        for split, lost, all_ in counts
        if lost
    ]
