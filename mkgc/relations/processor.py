"""Sentences with two marked mentions become token ids with marker positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import IGNORED, Images, Part, Scene, Text
from mkgc.data.context import KnowledgeContext
from mkgc.data.cutting import Cut, check_room
from mkgc.data.examples import ImagePaths
from mkgc.data.marked import Markers, mark_text, marker_ids, marker_table, markers_before
from mkgc.data.parses import Governors
from mkgc.data.processor import image_batch, text_batch
from mkgc.data.scene_batch import SceneFeatures
from mkgc.data.sentences import SentenceProcessor
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer
from mkgc.data.words import span_as_dict
from mkgc.images.loaded import LoadedImages
from mkgc.relations.example import ENDS, RelationExample

MARKERS = ("<s>", "</s>", "<o>", "</o>")
"""New tokens around head and tail, numbered behind the vocabulary in this order."""


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


class PairProcessor(SentenceProcessor):
    """Marks head and tail, cuts what is too long around them, and pads; how records are read, a task says.

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
        knowledge: KnowledgeContext | None = None,
    ) -> None:
        super().__init__(tokenizer, labels, settings, knowledge)
        why = "a piece of each mention, four markers, and a mark at either end"
        check_room(settings.max_length, 2 + len(MARKERS) + 2, why)
        self.markers, self.null_relation, self.distances = markers, null_relation, distances
        self.marker_ids = marker_ids(tokenizer, markers, len(MARKERS))

    def new_tokens(self) -> dict[str, int]:
        return marker_table(self.markers, len(MARKERS))

    def state(self) -> dict[str, Any]:
        own = {"markers": self.markers, "null_relation": self.null_relation}
        return super().state() | own | ({"distances": True} if self.distances else {})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PairProcessor:
        own = state["markers"], state["null_relation"], state.get("distances", False)
        return cls(*cls.parts(state), *own, knowledge=cls.graph(state))

    def encode(self, example: RelationExample) -> RelationFeatures:
        """Ids with the markers in place, as :func:`mark_text` puts and cuts them."""
        ends = {"head": example.head, "tail": example.tail}
        room = self.settings.max_length - len(MARKERS) - 2
        marked = mark_text(
            self.tokenizer, example.tokens, ends, room, self._before(example), self.marker_ids, example.raw
        )
        return RelationFeatures(
            marked.ids,
            marked.opened.get(0, marked.starts[example.head.start]),
            marked.opened.get(2, marked.starts[example.tail.start]),
            IGNORED if example.relation is None else self.labels.index(example.relation),
            example.images,
            marked.words,
            marked.cut,
            scene=self.encode_scene(example.scene),
            governors=self.encode_parse(example.governors, marked.starts, marked.kept, len(marked.ids)),
        )

    def _before(self, example: RelationExample) -> dict[int, list[int]]:
        """Which markers stand before which word, or behind the last."""
        if self.markers == "none":
            return {}
        return _released_markers(example) if self.markers == "released" else markers_before(_spans(example))

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

    def asked(self, example: RelationExample) -> RelationFeatures:
        """The features of a user's record, with the words that its mentions are."""
        spans = zip(ENDS, _spans(example), strict=True)
        named = {name: span_as_dict(example.tokens, example.raw, span) for name, span in spans}
        return replace(self.encode(example), mentions=named)


def _spans(example: RelationExample) -> tuple[Any, Any]:
    return example.head, example.tail


def _released_markers(example: RelationExample) -> dict[int, list[int]]:
    """The same as zjunlp/MKGformer's MRE/processor/dataset.py has it: always in the order of :data:`MARKERS`, and what
    ends with the sentence is not closed."""
    before: dict[int, list[int]] = {}
    for marker, position in enumerate((*example.head, *example.tail)):
        if position < len(example.tokens):
            before.setdefault(position, []).append(marker)
    return before
