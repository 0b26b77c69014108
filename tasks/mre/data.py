"""Sentences with two marked mentions become token ids with marker positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import IGNORED, Images, Part, Scene, Text
from mkgc.data.cutting import Cut, check_room, cut_words, describe_cut
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths
from mkgc.data.notes import note_twins
from mkgc.data.parses import Governors
from mkgc.data.processor import image_batch, text_batch
from mkgc.data.scene_batch import SceneFeatures
from mkgc.data.sentences import SentenceProcessor, read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.data.words import span_as_dict
from mkgc.errors import ConfigError, DataError
from mkgc.images.loaded import LoadedImages
from tasks.mre.example import RelationExample, parse_relation
from tasks.mre.null import find_null, note_null
from tasks.mre.source import RelationSource

MARKERS = ("<s>", "</s>", "<o>", "</o>")
"""New tokens around head and tail, numbered behind the vocabulary in this order."""

MARK = -1
"""The number of the word that a mark is a piece of, which is none."""

PUNCTUATION = ("@", "@", "#", "#")
"""Known pieces in their place. Source: Zhou and Chen (2022), An Improved Baseline for Sentence-level Relation
Extraction, where they do better than new tokens."""

Markers = Literal["new", "punctuation", "released", "none"]

Given = Literal["text", "distances", "images", "scene"]
"""What a backbone may be given of a sentence with two mentions."""


@dataclass(frozen=True)
class RelationFeatures:
    """A sentence as ids; ``head`` and ``tail`` are the positions of their opening markers (of their first pieces, where
    there are none), ``label`` -100 if unknown.

    ``words`` are the numbers of the words that its ids are pieces of, -1 of marks. ``cut`` says what of it is not read,
    ``mentions`` which words the mentions of a record are (:func:`span_as_dict`); ``scene`` is None where no scene graph
    is read, ``governors`` where there is no parse.
    """

    ids: tuple[int, ...]
    head: int
    tail: int
    label: int
    images: ImagePaths
    words: tuple[int, ...] = ()
    cut: Cut | None = None
    mentions: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    scene: SceneFeatures | None = None
    governors: Governors | None = None


@dataclass(frozen=True)
class RelationBatch(Part):
    text: Text
    images: tuple[Images, ...]
    markers: Int[Tensor, "B 2"]
    labels: Int[Tensor, " B"]
    scene: Scene | None = None


class RelationProcessor(SentenceProcessor):
    """Marks head and tail, cuts what is too long around them, and pads.

    The markers are new tokens, which have to be learned, or punctuation, which every encoder knows. "released" are new
    ones that stand where MKGformer's released code puts them; with "none" the sentence is as it was.
    ``null_relation`` is the label that is not scored. With ``distances``, texts say of each token how many it stands
    behind the head and the tail.

    Raises:
        ConfigError: The vocabulary has no such punctuation, or ``data.max_length`` leaves no room for two mentions.
    """

    kind = "relation"

    def __init__(
        self,
        tokenizer: Tokenizer,
        labels: tuple[str, ...],
        settings: DataSettings,
        markers: Markers = "new",
        null_relation: str | None = None,
        distances: bool = False,
    ) -> None:
        super().__init__(tokenizer, labels, settings)
        why = "a piece of each mention, four markers, and a mark at either end"
        check_room(settings.max_length, 2 + len(MARKERS) + 2, why)
        self.markers, self.null_relation, self.distances = markers, null_relation, distances
        known = [tokenizer.pieces([mark])[0][-1] for mark in PUNCTUATION]
        if markers == "punctuation" and tokenizer.unknown in known:
            raise ConfigError("task.data.markers=punctuation: the vocabulary lacks @ or #; use new ones")
        new = [tokenizer.size + i for i in range(len(MARKERS))]
        self.marker_ids = known if markers == "punctuation" else new

    def new_tokens(self) -> dict[str, int]:
        return {} if self.markers in ("punctuation", "none") else {"markers": len(MARKERS)}

    def state(self) -> dict[str, Any]:
        own = {"markers": self.markers, "null_relation": self.null_relation}
        return super().state() | own | ({"distances": True} if self.distances else {})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RelationProcessor:
        tokenizer, settings = Tokenizer.from_state(state["tokenizer"]), DataSettings.from_carried(state["settings"])
        own = state["markers"], state["null_relation"], state.get("distances", False)
        return cls(tokenizer, tuple(state["labels"]), settings, *own)

    def encode(self, example: RelationExample) -> RelationFeatures:
        """Ids with the markers in place; over ``max_length``, long words are cut, then the farthest from both mentions.

        Of each mention a piece is left.
        """
        tokenizer = self.tokenizer
        pieces = tokenizer.pieces(example.tokens)
        lengths, mentions = [len(ids) for ids in pieces], [range(*example.head), range(*example.tail)]
        room = self.settings.max_length - len(MARKERS) - 2
        kept = cut_words(lengths, room, _nearest(len(pieces), mentions), needed=[*mentions[0], *mentions[1]])
        before, ids, words = self._markers_before(example), [tokenizer.start], [MARK]
        opened: dict[int, int] = {}
        starts: dict[int, int] = {}
        for word, own in enumerate([*pieces, []]):
            for marker in before.get(word, ()):
                opened[marker] = len(ids)
                ids.append(self.marker_ids[marker])
                words.append(MARK)
            if own and kept[word]:
                starts[word] = len(ids)
                ids += own[: kept[word]]
            words += [word] * (len(ids) - len(words))
        label = IGNORED if example.relation is None else self.labels.index(example.relation)
        cut = describe_cut(lengths, kept, zip(("head", "tail"), mentions, strict=True), example.raw)
        return RelationFeatures(
            (*ids, tokenizer.stop),
            opened.get(0, starts[example.head.start]),
            opened.get(2, starts[example.tail.start]),
            label,
            example.images,
            (*words, MARK),
            cut,
            scene=self.encode_scene(example.scene),
            governors=self.encode_parse(example.governors, starts, kept, len(ids) + 1),
        )

    def _markers_before(self, example: RelationExample) -> dict[int, list[int]]:
        """Which markers stand before which word, or behind the last."""
        if self.markers == "none":
            return {}
        return (_released_markers if self.markers == "released" else _markers_before)(example)

    def collate(self, features: Sequence[RelationFeatures], store: LoadedImages) -> RelationBatch:
        settings = self.settings
        text = text_batch([item.ids for item in features], self.tokenizer.pad, settings.least_length)
        markers = torch.tensor([[item.head, item.tail] for item in features])
        if self.distances:
            text = replace(text, distances=torch.arange(text.ids.shape[1])[:, None] - markers[:, None])
        return RelationBatch(
            self.collate_parses(text, [item.governors for item in features]),
            image_batch([item.images for item in features], settings.images, settings.max_images, store),
            markers,
            torch.tensor([item.label for item in features]),
            self.collate_scenes(item.scene for item in features),
        )

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> RelationFeatures:
        example = parse_relation(record, folder, place)
        spans = {"head": example.head, "tail": example.tail}
        named = {name: span_as_dict(example.tokens, example.raw, span) for name, span in spans.items()}
        return replace(self.encode(example), mentions=named)


def _markers_before(example: RelationExample) -> dict[int, list[int]]:
    """Which markers stand before which word (or behind the last); what ends there is closed before what begins."""
    before: dict[int, list[int]] = {}
    for position, marker in (
        (example.head.end, 1),
        (example.tail.end, 3),
        (example.head.start, 0),
        (example.tail.start, 2),
    ):
        before.setdefault(position, []).append(marker)
    return before


def _released_markers(example: RelationExample) -> dict[int, list[int]]:
    """The same as zjunlp/MKGformer's MRE/processor/dataset.py has it: always in the order of :data:`MARKERS`, and what
    ends with the sentence is not closed."""
    before: dict[int, list[int]] = {}
    for marker, position in enumerate((*example.head, *example.tail)):
        if position < len(example.tokens):
            before.setdefault(position, []).append(marker)
    return before


def _nearest(count: int, mentions: Sequence[range]) -> list[int]:
    """So many words by their distance from the nearer mention; those of both, from the first ones on, come first."""

    def place(word: int) -> tuple[int, int]:
        inside = [word - mention.start for mention in mentions if word in mention]
        outside = [max(mention.start - word, word - mention.stop + 1, 0) for mention in mentions]
        return min(outside), min(inside, default=0)

    return sorted(range(count), key=place)


def read(
    source: RelationSource,
    tokenizer: Callable[[Iterable[str]], Tokenizer] | None = learned,
    processor: RelationProcessor | None = None,
    markers: Markers = "new",
    null_relation: str | list[str] | None = None,
    inputs: Sequence[Given] = ("text",),
) -> Dataset:
    """Encodes sentences with marked mentions for a trained model's ``processor`` or for a new one.

    Raises:
        ConfigError: A new model's null relation is not to be found (:func:`find_null`).
        DataError: A new model would learn but one relation; else as :func:`read_sentences` does.
    """
    known = {example.relation for example in source.splits["train"]}
    if processor is None and len(known) < 2:
        root = source.settings.root
        raise DataError(f"train has one relation only, '{min(known)}': there is nothing to tell apart", root)
    null = processor.null_relation if processor else find_null(source.labels, null_relation)
    silent = source.note_silent(lambda example: example.relation != null, "a relation")
    notes = (note_null(null), *note_twins("relations", source.labels), *silent)
    make = partial(RelationProcessor, markers=markers, null_relation=null, distances="distances" in inputs)
    return read_sentences(source, make, tokenizer, processor, notes)
