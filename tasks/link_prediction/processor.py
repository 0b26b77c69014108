"""Between queries and batches: by index alone, or with a prompt and the known entity's own images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int

from mkgc.data.answers import QueryRows
from mkgc.data.cutting import SPARED, Cut, check_room
from mkgc.data.examples import ImagePaths
from mkgc.data.formats.locate import locate
from mkgc.data.graph_source import GraphSource
from mkgc.data.processor import Processor, image_batch, text_batch
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer
from mkgc.data.vocabulary import Vocabulary
from mkgc.errors import DataError
from mkgc.images.loaded import LoadedImages
from mkgc.images.policy import assign_groups, entity_images
from mkgc.kge.model import Target
from tasks.link_prediction.batch import (
    EncodedEntity,
    LinkBatch,
    PairFeatures,
    QueryArrays,
    QueryFeatures,
    TripleBatch,
    number,
    pairs,
    target_of,
)
from tasks.link_prediction.link_query import InductiveEntity, parse_query

MARKS = 7
"""Tokens of a query's prompt beside its two texts: [CLS], three [SEP], [MASK], the entity's and the relation's."""


class TripleProcessor(Processor):
    """Queries by index, for models that read no text.

    ``images`` are the entities', for models that know them by what their images show. ``excluded`` are the entities
    that are no candidates for an answer.
    """

    reads: Literal["prompts", "triples"] = "prompts"
    """What one text is made of, where texts are read."""

    def __init__(
        self,
        entities: Sequence[str],
        names: Sequence[str],
        relations: Sequence[str],
        relation_names: Sequence[str],
        images: Sequence[ImagePaths],
        settings: DataSettings,
        excluded: Sequence[int] = (),
    ) -> None:
        self.settings, self.images, self.excluded = settings, images, excluded
        self.entities, self.names = entities, names
        self.relations, self.relation_names = relations, relation_names

    def query(
        self,
        anchor: int | EncodedEntity,
        relation: int,
        target: Target,
        targets: tuple[int, ...] = (),
        known: tuple[int, ...] = (),
    ) -> QueryFeatures:
        """What asks for the ``target`` of a triple of which relation and other side are known."""
        return QueryFeatures((), (), 0, number(anchor), relation, target, {}, targets, known)

    def images_of(self, entity: int | EncodedEntity) -> ImagePaths:
        """What a query shows of an entity beside text."""
        return {}

    def lengths(self, asked: QueryRows) -> Int[np.ndarray, " B"]:
        """How long the prompts of queries are."""
        return np.zeros(len(asked), np.int64)

    def whole_lengths(self, asked: QueryRows) -> Int[np.ndarray, " B"]:
        """How long they would be if nothing of the entity's text were cut."""
        return self.lengths(asked)

    def collate(self, features: QueryArrays | Sequence[QueryFeatures], store: LoadedImages) -> TripleBatch:
        arrays = features if isinstance(features, QueryArrays) else QueryArrays.of(features)
        return TripleBatch(**arrays.tensors())

    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> QueryFeatures | PairFeatures:
        query = parse_query(record, place)
        ends = {"head": query.head, "tail": query.tail}
        given = {key: self._end(end, folder, place) for key, end in ends.items() if end is not None}
        if query.relation is None:
            return self._checked_pair(**given, place=place)
        ((key, anchor),) = given.items()
        relation = self._relation_index.find(query.relation, place)
        return self.query(anchor, relation, "tail" if key == "head" else "head")

    def _end(self, entity: str | InductiveEntity, folder: Path, place: str) -> int | EncodedEntity:
        if isinstance(entity, str):
            return self._entity_index.find(entity, place)
        return self.inductive(entity, folder, place)

    def inductive(self, entity: InductiveEntity, folder: Path, place: str) -> EncodedEntity:
        """What a prompt can show of an entity that the graph does not have.

        Raises:
            DataError: The model does not read.
        """
        raise DataError(
            f"'{entity.name}' is described, but this model knows entities only by their place in the graph: give one "
            "that the graph has, or train a model that reads (backbone=text_only, mkgformer, …)",
            place,
        )

    def _checked_pair(self, head: int | EncodedEntity, tail: int | EncodedEntity, place: str) -> PairFeatures:
        if isinstance(head, EncodedEntity) and isinstance(tail, EncodedEntity):
            raise DataError("head and tail are both described: one of them must be an entity of the graph", place)
        return self.pair(head, tail)

    def pair(self, head: int | EncodedEntity, tail: int | EncodedEntity) -> PairFeatures:
        """What asks for the relation of two entities."""
        anchor = [self.images_of(end) for end in (head, tail)]
        images = {group: tuple(f for one in anchor for f in one.get(group, ())) for one in anchor for group in one}
        return PairFeatures(head, tail, images)

    def named(self) -> dict[str, Sequence[str]]:
        return {"entity": self.entities, "relation": self.relations}

    def show(self, source: GraphSource, broken: Collection[Path] = ()) -> None:
        """Takes the entities' images, as many as the settings say; raises as :meth:`Graph.ordered` does."""
        graph = source.graph.ordered(self.entities, self.relations)
        self.images, self.awaited = entity_images(graph, self.settings, broken), frozenset()

    @cached_property
    def _entity_index(self) -> Vocabulary:
        return Vocabulary("entity", self.entities, self.names)

    @cached_property
    def _relation_index(self) -> Vocabulary:
        return Vocabulary("relation", self.relations, self.relation_names)

    def state(self) -> dict[str, Any]:
        return {
            "entities": list(self.entities),
            "names": list(self.names),
            "relations": list(self.relations),
            "relation_names": list(self.relation_names),
            "imaged": [i for i, groups in enumerate(self.images) if any(groups.values())],
            "settings": self.settings.carried(),
            "excluded": list(self.excluded),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TripleProcessor:
        """The same without images: those of ``imaged`` entities are awaited from a graph (:meth:`show`)."""
        restored = dict(state)
        imaged = restored.pop("imaged")
        restored["settings"] = DataSettings.from_carried(state["settings"])
        processor = cls(**restored, images=({},) * len(state["entities"]))
        processor.awaited = frozenset(imaged)
        return processor


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
        """What the prompt leaves out of a user's own text; that the graph's are cut is said once for all."""
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
