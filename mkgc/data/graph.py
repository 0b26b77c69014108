"""A knowledge graph in memory: names, texts, images, and the triples of each split as arrays of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.data.examples import ImagePaths
from mkgc.data.labels import Labels, in_language
from mkgc.errors import ConfigError, DataError
from mkgc.inspect.report import Finding

Triples = Int[np.ndarray, "n 3"]
"""Rows of (head, relation, tail) indices."""


@dataclass(frozen=True)
class Tokens:
    """Images or texts as numbers of a codebook.

    ``codes`` is parallel to the entities and as released: in the order of the patches or words, with repetitions, all
    images of an entity one after another, empty for an entity without any. ``vectors`` has a row a code; None where
    the codebook is not there.
    """

    codes: tuple[Int[Tensor, " _"], ...]
    vectors: Float[Tensor, "V D"] | None = None


@dataclass(frozen=True)
class Graph:
    """Entities and relations are referred to by their position in ``entities`` and ``relations``.

    ``names``, ``descriptions`` (of entities) and ``relation_names`` are parallel to them; an entity without a text has
    its identifier as its name and an empty description. ``labels`` and ``relation_labels`` are what else they are
    called. ``features`` and ``tokens`` are what others computed from
    images (``visual``) and texts (``textual``): rows of features are parallel to ``entities``. ``notes`` say what its
    reader decided.
    """

    entities: tuple[str, ...]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    relations: tuple[str, ...]
    relation_names: tuple[str, ...]
    images: tuple[ImagePaths, ...]
    triples: Mapping[str, Triples]
    features: Mapping[str, Float[Tensor, "E D"]] = field(default_factory=dict)
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
    labels: Labels = field(default_factory=Labels)
    relation_labels: Labels = field(default_factory=Labels)

    def noted(self, *notes: Finding) -> Graph:
        """The same with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def synonyms(self) -> list[tuple[str, ...]]:
        """The id of each entity, and all that it is called."""
        further = self.labels.synonyms() or [()] * len(self.entities)
        return [(one, name, *more) for one, name, more in zip(self.entities, self.names, further, strict=True)]

    def speaking(self, language: str | None) -> Graph:
        """The same with names and descriptions in that language, as far as there are any; None: as they are.

        Raises:
            ConfigError: The graph has none in it.
        """
        if language is None:
            return self
        labels, relations = self.labels, self.relation_labels
        known = dict.fromkeys(one for texts in (labels.names, labels.descriptions, relations.names) for one in texts)
        if language not in known:
            has = f"has names in {', '.join(known)}" if known else "says of no name which language it is in"
            raise ConfigError(f"data.language={language}: the graph {has}")
        return replace(
            self,
            names=in_language(labels.names, language, self.names),
            descriptions=in_language(labels.descriptions, language, self.descriptions),
            relation_names=in_language(relations.names, language, self.relation_names),
        )

    def ordered(self, entities: Sequence[str], relations: Sequence[str]) -> Graph:
        """The same graph with its entities and relations at other positions, found by their ids.

        Raises:
            DataError: It has others than these, or lacks one.
        """
        if (self.entities, self.relations) == (tuple(entities), tuple(relations)):
            return self
        rows, columns = _places("entity", self.entities, entities), _places("relation", self.relations, relations)
        moved, renamed = rows.argsort(), columns.argsort()
        texts = {name: tuple(getattr(self, name)[i] for i in rows) for name in ("names", "descriptions", "images")}
        return replace(
            self,
            entities=tuple(entities),
            relations=tuple(relations),
            relation_names=tuple(self.relation_names[i] for i in columns),
            triples={
                s: np.stack([moved[t[:, 0]], renamed[t[:, 1]], moved[t[:, 2]]], 1) for s, t in self.triples.items()
            },
            features={kind: table[torch.from_numpy(rows)] for kind, table in self.features.items()},
            tokens={kind: replace(t, codes=tuple(t.codes[i] for i in rows)) for kind, t in self.tokens.items()},
            labels=self.labels.ordered(rows.tolist()),
            relation_labels=self.relation_labels.ordered(columns.tolist()),
            **texts,
        )


def _places(kind: str, own: Sequence[str], wanted: Sequence[str]) -> Int[np.ndarray, " n"]:
    """The position of each wanted id among the graph's own."""
    places, known = {name: i for i, name in enumerate(own)}, set(wanted)
    if strange := next((name for name in own if name not in known), None):
        raise DataError(f"the graph has the {kind} '{strange}', which the model was not trained on")
    if lacking := next((name for name in wanted if name not in places), None):
        raise DataError(f"the graph lacks the {kind} '{lacking}', which the model was trained on")
    return np.array([places[name] for name in wanted])
