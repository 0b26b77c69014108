"""A knowledge graph in memory: names, texts, images, and the triples of each split as arrays of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.data.examples import ImagePaths
from mkgc.errors import DataError
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
    its identifier as its name and an empty description. ``features`` and ``tokens`` are what others computed from
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
