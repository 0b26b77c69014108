"""Between queries and batches by index alone, and between a user's records and queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from mkgc.data.answers import QueryRows
from mkgc.data.examples import ImagePaths
from mkgc.data.graph_source import GraphSource
from mkgc.data.labels import Labels, in_language
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.vocabulary import Vocabulary
from mkgc.errors import ConfigError, DataError
from mkgc.images.loaded import LoadedImages
from mkgc.images.policy import entity_images
from mkgc.kge.model import Target
from tasks.link_prediction.batch import (
    EncodedEntity,
    PairFeatures,
    QueryArrays,
    QueryFeatures,
    TripleBatch,
    number,
)
from tasks.link_prediction.link_query import InductiveEntity, parse_query


class TripleProcessor(Processor):
    """Queries by index, for models that read no text.

    ``images`` are the entities', for models that know them by what their images show. ``excluded`` are the entities
    that are no candidates for an answer. ``labels`` are what entities and relations are called beside their names, by
    which a record may give them, too.
    """

    reads: Literal["prompts", "triples"] = "prompts"
    """The unit of which one text is made, where texts are read."""

    def __init__(
        self,
        entities: Sequence[str],
        names: Sequence[str],
        relations: Sequence[str],
        relation_names: Sequence[str],
        images: Sequence[ImagePaths],
        settings: DataSettings,
        excluded: Sequence[int] = (),
        labels: tuple[Labels, Labels] = (Labels(), Labels()),
    ) -> None:
        self.settings, self.images, self.excluded = settings, images, excluded
        self.entities, self.names = entities, names
        self.relations, self.relation_names = relations, relation_names
        self.labels = labels
        self.answer_names = names, relation_names
        """How answers call entities and relations."""

    def use_language(self, language: str) -> None:
        """Calls entities and relations by their names in a language in answers, as far as they have any.

        Raises:
            ConfigError: Nothing has a name in it.
        """
        known = dict.fromkeys(one for labels in self.labels for one in labels.names)
        if language not in known:
            has = f"knows names in {', '.join(known)}" if known else "knows of no name which language it is in"
            raise ConfigError(f"language={language}: the model {has}")
        entities, relations = (labels.names for labels in self.labels)
        names, relation_names = self.answer_names
        self.answer_names = (
            in_language(entities, language, names),
            in_language(relations, language, relation_names),
        )

    def query(
        self,
        anchor: int | EncodedEntity,
        relation: int,
        target: Target,
        targets: tuple[int, ...] = (),
        known: tuple[int, ...] = (),
    ) -> QueryFeatures:
        """The query for the ``target`` of a triple of which relation and other side are known."""
        return QueryFeatures((), (), 0, number(anchor), relation, target, {}, targets, known)

    def images_of(self, entity: int | EncodedEntity) -> ImagePaths:
        """The images of an entity that a query shows."""
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
        """Encodes an entity that the graph does not have, as a prompt can show it.

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
        """The query for the relation of two entities."""
        anchor = [self.images_of(end) for end in (head, tail)]
        images = {group: tuple(f for one in anchor for f in one.get(group, ())) for one in anchor for group in one}
        return PairFeatures(head, tail, images)

    def named(self) -> dict[str, Sequence[str]]:
        return {"entity": self.entities, "relation": self.relations}

    def show(self, source: GraphSource, broken: Collection[Path] = ()) -> None:
        """Takes the entities' images, as many as the settings say; raises as :meth:`Graph.ordered` does."""
        graph = source.graph.ordered(self.entities, self.relations)
        self.images, self.awaited = entity_images(graph, self.settings, broken), frozenset()

    def without_images(self, features: Sequence[Any]) -> Sequence[Any]:
        raise ConfigError("what this model knows of images is in its vectors, and cannot be left out")

    @cached_property
    def _entity_index(self) -> Vocabulary:
        return Vocabulary("entity", self.entities, self.names, self.labels[0].synonyms())

    @cached_property
    def _relation_index(self) -> Vocabulary:
        return Vocabulary("relation", self.relations, self.relation_names, self.labels[1].synonyms())

    def state(self) -> dict[str, Any]:
        return {
            "entities": list(self.entities),
            "names": list(self.names),
            "relations": list(self.relations),
            "relation_names": list(self.relation_names),
            "imaged": [i for i, groups in enumerate(self.images) if any(groups.values())],
            "settings": self.settings.carried(),
            "excluded": list(self.excluded),
            "labels": [labels.state() for labels in self.labels],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TripleProcessor:
        """The same without images: those of ``imaged`` entities are awaited from a graph (:meth:`show`)."""
        restored = dict(state)
        imaged = restored.pop("imaged")
        if "labels" in state:  # not in checkpoints of before there were any
            restored["labels"] = tuple(map(Labels.from_state, state["labels"]))
        restored["settings"] = DataSettings.from_carried(state["settings"])
        processor = cls(**restored, images=({},) * len(state["entities"]))
        processor.awaited = frozenset(imaged)
        return processor
