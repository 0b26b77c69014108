"""Between queries and prompts: with a mask at the missing entity, and the known one's text and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from mkgc.data.answers import QueryRows
from mkgc.data.cutting import SPARED, Cut, check_room
from mkgc.data.examples import ImagePaths
from mkgc.data.formats.locate import locate
from mkgc.data.processor import image_batch, text_batch
from mkgc.data.tokens import Tokenizer
from mkgc.images.loaded import LoadedImages
from mkgc.images.policy import assign_groups
from mkgc.kge.model import Target
from tasks.link_prediction.batch import (
    EncodedEntity,
    LinkBatch,
    PairFeatures,
    QueryArrays,
    QueryFeatures,
    number,
    pairs,
    target_of,
)
from tasks.link_prediction.link_query import InductiveEntity
from tasks.link_prediction.processor import TripleProcessor

MARKS = 7
"""Tokens of a query's prompt beside its two texts: [CLS], three [SEP], [MASK], the entity's and the relation's."""


class LinkProcessor(TripleProcessor):
    """Prompts for a missing entity, with a token of its own for each entity and each relation.

    New tokens are numbered behind the vocabulary: entities first, then relations. Prompts and their order are those of
    MKGformer's released code. Of texts that do not fit, the entity's loses its end, and a relation's what would
    leave no room for the entity's beginning.

    Raises:
        ConfigError: ``data.max_length`` leaves no room for texts.
    """

    illustrates = True

    def __init__(self, tokenizer: Tokenizer, descriptions: Sequence[str], **of_all: Any) -> None:
        super().__init__(**of_all)
        self.tokenizer, self.descriptions = tokenizer, descriptions
        check_room(self.settings.max_length, MARKS + 2, "a piece of each of two texts, and the marks of a prompt")
        room = self.settings.max_length - MARKS
        self._texts = [tokenizer.ids(long or short) for short, long in zip(self.names, descriptions, strict=True)]
        asks = [tokenizer.ids(name) for name in self.relation_names]
        self._name_lengths = np.array([len(ids) for ids in asks])
        self._asks = [ids[: room - min(SPARED, room // 2)] for ids in asks]

    def new_tokens(self) -> dict[str, int]:
        return {"entities": len(self.entities), "relations": len(self.relations)}

    def texts(self) -> dict[str, Sequence[Sequence[int]]]:
        return {"entities": self._texts, "relations": self._asks}

    def query(
        self,
        anchor: int | EncodedEntity,
        relation: int,
        target: Target,
        targets: tuple[int, ...] = (),
        known: tuple[int, ...] = (),
    ) -> QueryFeatures:
        """The prompt that asks for the ``target`` of a triple of which relation and other side are known.

        An entity that the graph does not have has no token: padding holds its place, which is masked as it is for the
        training queries that hide their entity (``task.model.hide``).
        """
        t = self.tokenizer
        entity, text = (
            (t.pad, anchor.text) if isinstance(anchor, EncodedEntity) else (t.size + anchor, self._texts[anchor])
        )
        asks = [*self._asks[relation], t.size + len(self.entities) + relation]
        first, last = (entity, t.mask) if target == "tail" else (t.mask, entity)
        ids = [t.start, first, t.stop, *asks, t.stop, last]
        place, mask = (1, len(ids) - 1) if target == "tail" else (len(ids) - 1, 1)
        whole = self._closed(ids, text)
        unseen = isinstance(anchor, EncodedEntity)
        anchor_positions = (*(() if unseen else (place,)), *range(len(ids), len(whole) - 1))
        blank = (place,) if unseen else ()
        # The known entity's images: the first published figures of MKGformer came from showing the answer's.
        images = self.images_of(anchor)
        cut = self._cut(anchor, relation, "head" if target == "tail" else "tail")
        return QueryFeatures(
            whole, anchor_positions, mask, number(anchor), relation, target, images, targets, known, blank, cut
        )

    def _cut(self, anchor: int | EncodedEntity, relation: int, end: str) -> Cut | None:
        """The cut of a user's own text; that the graph's are cut is said once for all."""
        if not isinstance(anchor, EncodedEntity):
            return None
        over = len(anchor.text) + len(self._asks[relation]) + MARKS - self.settings.max_length
        return Cut(over, mentions=(end,)) if over > 0 else None

    def pair(self, head: int | EncodedEntity, tail: int | EncodedEntity) -> PairFeatures:
        longest = max(range(len(self._asks)), key=lambda relation: len(self._asks[relation]))
        cuts = [self._cut(anchor, longest, end) for anchor, end in ((head, "head"), (tail, "tail"))]
        return replace(super().pair(head, tail), cut=cuts[0] or cuts[1])

    def images_of(self, entity: int | EncodedEntity) -> ImagePaths:
        return entity.images if isinstance(entity, EncodedEntity) else self.images[entity]

    def without_images(self, features: Sequence[Any]) -> Sequence[Any]:
        self.images = ({},) * len(self.entities)  # of which prompts are made when they are needed
        return features

    def illustrations(self, features: Mapping[str, Sequence[Any]]) -> Iterable[ImagePaths]:
        return self.images

    def named(self) -> dict[str, Sequence[str]]:
        return super().named() | {"word piece": self.tokenizer.names}

    def unshown(self, item: QueryFeatures | PairFeatures) -> bool:
        ends = (item.anchor,) if isinstance(item, QueryFeatures) else (number(item.head), number(item.tail))
        return not self.awaited.isdisjoint(ends)

    def inductive(self, entity: InductiveEntity, folder: Path, place: str) -> EncodedEntity:
        """The text is the description, or the name where there is none; as many images as of the graph's entities."""
        files = tuple(locate((folder,), str(file)) for file in entity.images)
        text = self.tokenizer.ids(entity.description.strip() or entity.name)
        return EncodedEntity(tuple(text), assign_groups({"image": files}, self.settings))

    def definition(self, entity: int) -> QueryFeatures:
        """The prompt of image-text incorporated entity modelling: which entity has this text and these images?"""
        t = self.tokenizer
        before, after = [t.start, *t.ids("the description of")], t.ids("is that")
        whole = self._closed([*before, t.mask, *after], [*self._texts[entity], *t.ids(".")])
        return QueryFeatures(whole, (), len(before), entity, -1, "head", self.images[entity], (entity,), (entity,))

    def _closed(self, ids: list[int], text: Sequence[int]) -> tuple[int, ...]:
        check_room(self.settings.max_length, len(ids) + 2, "a prompt, a piece of the entity's text, and a mark behind")
        return (*ids, *text[: self.settings.max_length - len(ids) - 1], self.tokenizer.stop)

    def lengths(self, asked: QueryRows) -> Int[np.ndarray, " B"]:
        return np.minimum(self.whole_lengths(asked), self.settings.max_length)

    def whole_lengths(self, asked: QueryRows) -> Int[np.ndarray, " B"]:
        return self._text_lengths[asked[:, 0]] + self._ask_lengths[asked[:, 1]] + MARKS

    @cached_property
    def _text_lengths(self) -> Int[np.ndarray, " N"]:
        return np.array([len(ids) for ids in self._texts])

    @cached_property
    def _ask_lengths(self) -> Int[np.ndarray, " R"]:
        return np.array([len(ids) for ids in self._asks])

    def collate(self, features: QueryArrays | Sequence[QueryFeatures], store: LoadedImages) -> LinkBatch:
        if isinstance(features, QueryArrays):
            arrays, features = features, self._prompts(features)
        else:
            arrays = QueryArrays.of(features)
        settings = self.settings
        text = text_batch([item.ids for item in features], self.tokenizer.pad, settings.least_length)
        text.mask[*pairs([item.blank for item in features]).T] = False
        anchor_positions = torch.zeros_like(text.mask)
        anchor_positions[*pairs([item.anchor_positions for item in features]).T] = True
        return LinkBatch(
            **arrays.tensors(),
            text=text,
            anchor_positions=anchor_positions,
            images=image_batch([item.images for item in features], settings.images, settings.max_images, store),
            mask=torch.tensor([item.mask for item in features]),
        )

    def _prompts(self, arrays: QueryArrays) -> list[QueryFeatures]:
        return [self.query(anchor, relation, target_of(tail)) for anchor, relation, tail in arrays.queries.tolist()]

    def state(self) -> dict[str, Any]:
        return super().state() | {"tokenizer": self.tokenizer.state(), "descriptions": list(self.descriptions)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TripleProcessor:
        return super().from_state(state | {"tokenizer": Tokenizer.from_state(state["tokenizer"])})
