"""A knowledge graph in memory: names, texts, pictures, and the triples of each split as arrays of indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from mkgc.data.examples import Pictures

Triples = Int[np.ndarray, "n 3"]
"""Rows of (head, relation, tail) indices."""


@dataclass(frozen=True)
class Graph:
    """Entities and relations are referred to by their position in ``entities`` and ``relations``.

    ``names``, ``descriptions`` (of entities) and ``relation_names`` are parallel to them; an entity without a text has
    its identifier as its name and an empty description.
    """

    entities: tuple[str, ...]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    relations: tuple[str, ...]
    relation_names: tuple[str, ...]
    pictures: tuple[Pictures, ...]
    triples: Mapping[str, Triples]
