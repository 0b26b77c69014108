"""Sentences with a tag per word become ids, with the position of each word's first piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.batch import IGNORED, Images, Part, Scene, Text
from mkgc.data.cutting import Cut, check_room, cut_words, describe_cut
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths, Span
from mkgc.data.notes import note_twins
from mkgc.data.parses import Governors, within
from mkgc.data.processor import image_batch, pad, text_batch
from mkgc.data.scene_batch import SceneFeatures
from mkgc.data.sentences import SentenceProcessor, read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.whole_words import spell
from mkgc.errors import DataError
from mkgc.images.loaded import LoadedImages
from mkgc.metrics.spans import bio_spans
from mkgc.nn.crf import repair_bio
from tasks.mner.example import TaggedExample, parse_tagged
from tasks.mner.source import TaggedSource
from tasks.mner.windows import Window, windows

Given = Literal["text", "characters", "images", "scene"]
"""What a backbone may be given of a tagged sentence."""


@dataclass(frozen=True)
class TaggedFeatures:
    """A sentence as ids; ``positions`` are those of the words' first pieces, ``tags`` are repaired ones of these words.

    ``gold`` are the tags of all words, of which those at the end may not be read; ``cut`` says what is not. ``scene``
    is None where no scene graph is read, ``governors`` where there is no parse.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    tags: tuple[int, ...]
    words: tuple[str, ...]
    gold: tuple[int, ...]
    images: ImagePaths
    cut: Cut | None = None
    scene: SceneFeatures | None = None
    governors: Governors | None = None


@dataclass(frozen=True)
class TaggedQuery:
    """A sentence that is asked about, in the windows in which it is read; ``cut`` says what of its words is not."""

    example: TaggedExample
    windows: tuple[tuple[Window, TaggedFeatures], ...]
    cut: Cut | None

    @property
    def images(self) -> ImagePaths:
        return self.example.images


@dataclass(frozen=True)
class TaggedBatch(Part):
    """Words by the positions of their first pieces, with their tags; ``gold`` are those of the whole sentences.

    There is room for one word at least; tags are -100 where there is none, and where none are known.
    """

    text: Text
    images: tuple[Images, ...]
    word_positions: Int[Tensor, "B W"]
    word_mask: Bool[Tensor, "B W"]
    tags: Int[Tensor, "B W"]
    gold: Int[Tensor, "B L"]
    words: tuple[tuple[str, ...], ...]
    scene: Scene | None = None


class TaggingProcessor(SentenceProcessor):
    """Splits words into pieces, and cuts long words, then ends of sentences; the labels are entity types.

    With ``characters``, texts have those of each word at its first piece.

    Raises:
        ConfigError: ``data.max_length`` leaves no room for a word.
    """

    kind = "entity type"

    def __init__(
        self, tokenizer: Tokenizer, labels: tuple[str, ...], settings: DataSettings, characters: bool = False
    ) -> None:
        super().__init__(tokenizer, labels, settings)
        check_room(settings.max_length, 3, "a piece, and a mark at either end")
        self.tags = ("O", *(f"{mark}-{label}" for label in labels for mark in "BI"))
        self.index = {tag: i for i, tag in enumerate(self.tags)}
        self.characters = characters

    def state(self) -> dict[str, Any]:
        return super().state() | ({"characters": True} if self.characters else {})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TaggingProcessor:
        tokenizer, settings = Tokenizer.from_state(state["tokenizer"]), DataSettings.from_carried(state["settings"])
        return cls(tokenizer, tuple(state["labels"]), settings, state.get("characters", False))

    def encode(self, example: TaggedExample) -> TaggedFeatures:
        """Ids between [CLS] and [SEP]; words of which nothing fits into ``max_length`` are predicted as O."""
        pieces = self.tokenizer.pieces(example.tokens)
        return self._features(example, pieces, cut_words([*map(len, pieces)], self.room, range(len(pieces))))

    @property
    def room(self) -> int:
        """The pieces that are read at once."""
        return self.settings.max_length - 2

    def _features(self, example: TaggedExample, pieces: Sequence[Sequence[int]], kept: Sequence[int]) -> TaggedFeatures:
        """The features of a sentence, of each of whose words so many pieces are kept."""
        gold = example.tags or ()
        legal, lengths = repair_bio(gold), [*map(len, pieces)]
        ids, positions = [self.tokenizer.start], []
        for own, count in zip(pieces, kept, strict=True):
            positions += [len(ids)] * (count > 0)
            ids += own[:count]
        mentions = [(kind, range(start, end)) for kind, start, end in bio_spans(legal)]
        cut = describe_cut(lengths, kept, mentions, example.raw)
        return TaggedFeatures(
            (*ids, self.tokenizer.stop),
            tuple(positions),
            tuple(self.index[tag] for tag in legal[: len(positions)]),
            example.tokens,
            tuple(self.index[tag] for tag in gold),
            example.images,
            cut,
            self.encode_scene(example.scene),
            self.encode_parse(example.governors, dict(enumerate(positions)), kept, len(ids) + 1),
        )

    def collate(self, features: Sequence[TaggedFeatures], store: LoadedImages) -> TaggedBatch:
        settings = self.settings
        positions = pad([item.positions for item in features], IGNORED, 1)
        text = text_batch([item.ids for item in features], self.tokenizer.pad, settings.least_length)
        if self.characters:
            words = [dict(zip(item.positions, item.words, strict=False)) for item in features]
            text = replace(text, characters=spell(words, text.ids.shape[1]))
        return TaggedBatch(
            self.collate_parses(text, [item.governors for item in features]),
            image_batch([item.images for item in features], settings.images, settings.max_images, store),
            positions.clamp(min=0),
            positions != IGNORED,
            pad([item.tags for item in features], IGNORED, positions.shape[1]),
            pad([item.gold for item in features], IGNORED, max(1, *(len(item.words) for item in features))),
            tuple(item.words for item in features),
            self.collate_scenes(item.scene for item in features),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> TaggedQuery:
        """A sentence that fits, or does with its longest words cut, is read at once, and any other in windows."""
        example = parse_tagged(record, folder, place)
        pieces = self.tokenizer.pieces(example.tokens)
        lengths, every = [*map(len, pieces)], range(len(pieces))
        kept = cut_words(lengths, self.room, every)
        if all(kept):
            parts = [Window(every, every)]
        else:
            kept = [min(length, max(1, self.room // 4)) for length in lengths]
            parts = windows(kept, self.room)
        return TaggedQuery(
            example,
            tuple((part, self._part(example, part.read, pieces, kept)) for part in parts),
            describe_cut(lengths, kept, raw=example.raw),
        )

    def _part(
        self, example: TaggedExample, words: range, pieces: Sequence[Sequence[int]], kept: Sequence[int]
    ) -> TaggedFeatures:
        """The features of some of the words of a sentence."""
        here = slice(words.start, words.stop)
        governors = within(example.governors, Span(words.start, words.stop))
        part = replace(example, tokens=example.tokens[here], raw=None, governors=governors)
        return self._features(part, pieces[here], kept[here])


def read(
    source: TaggedSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: TaggingProcessor | None = None,
    inputs: Sequence[Given] = ("text",),
) -> Dataset:
    """Encodes tagged sentences for a trained model's ``processor`` or for a new one.

    Raises:
        DataError: A new model would find no entity in train; else as :func:`read_sentences` does.
    """
    if processor is None and not source.labels:
        raise DataError("every tag of train is O: there is no entity type to learn", source.settings.root)
    silent = source.note_silent(lambda example: set(example.tags) != {"O"}, "an entity")
    notes = (*note_twins("entity types", source.labels), *silent)
    make = partial(TaggingProcessor, characters="characters" in inputs)
    return read_sentences(source, make, tokenizer, processor, notes)
