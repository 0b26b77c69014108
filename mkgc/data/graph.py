"""A knowledge graph in memory: names, texts, pictures, and the triples of each split as arrays of indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.data.examples import Pictures
from mkgc.data.inspect.report import Finding

Triples = Int[np.ndarray, "n 3"]
"""Rows of (head, relation, tail) indices."""


@dataclass(frozen=True)
class Tokens:
    """Pictures or texts as numbers of a codebook.

    ``codes`` is parallel to the entities and as released: in the order of the patches or words, with repetitions, all
    pictures of an entity one after another, empty for an entity without any. ``vectors`` has a row a code; None where
    the codebook is not there.
    """

    codes: tuple[Int[Tensor, " _"], ...]
    vectors: Float[Tensor, "V D"] | None = None


@dataclass(frozen=True)
class Graph:
    """Entities and relations are referred to by their position in ``entities`` and ``relations``.

    ``names``, ``descriptions`` (of entities) and ``relation_names`` are parallel to them; an entity without a text has
    its identifier as its name and an empty description. ``features`` and ``tokens`` are what others computed from
    pictures (``visual``) and texts (``textual``): rows of features are parallel to ``entities``. ``notes`` say what its
    reader decided.
    """

    entities: tuple[str, ...]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    relations: tuple[str, ...]
    relation_names: tuple[str, ...]
    pictures: tuple[Pictures, ...]
    triples: Mapping[str, Triples]
    features: Mapping[str, Float[Tensor, "E D"]] = field(default_factory=dict)
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
