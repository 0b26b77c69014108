"""The dictionary of an entity linker: which entity each name of a graph stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from mkgc.data.formats.tables import table
from mkgc.data.graph import Graph, Triples
from mkgc.data.linking import HALF
from mkgc.data.near import suggest
from mkgc.errors import DataError

PRIORS = ("priors.tsv", "priors.csv")
"""Names of a file with the priors of names: a name, an entity's id and a number a line."""

Priors = Mapping[tuple[str, int], float]
"""How often a name stands for an entity, or how probably: numbers are compared among the entities of one name."""


class Names(NamedTuple):
    """Names, each once, and the number of the entity that each stands for; ``ambiguous`` ones are several entities'."""

    names: tuple[str, ...]
    owners: Int[np.ndarray, " N"]
    ambiguous: tuple[str, ...] = ()


def choose_owners(
    called: Sequence[Iterable[str]], degrees: Sequence[int], priors: Priors | None = None, least: int = 1
) -> Names:
    """The entity of each name: of several, the one with the highest prior; else with the most triples; else the first.

    ``called`` are the names of each entity, ``degrees`` how many triples it is in. Names of fewer than ``least``
    characters are left out; white space in a name counts as one space.
    """
    priors = priors or {}
    owners: dict[str, int] = {}
    ambiguous: dict[str, None] = {}

    def rank(name: str, entity: int) -> tuple[float, int]:
        return priors.get((name, entity), 0.0), degrees[entity]

    for entity, names in enumerate(called):
        for name in map(plain_name, names):
            owner = owners.setdefault(name, entity)
            if owner != entity:
                ambiguous[name] = None
                if rank(name, entity) > rank(name, owner):
                    owners[name] = entity
    kept = {name: owner for name, owner in owners.items() if len(name) >= least and not HALF.search(name)}
    return Names(tuple(kept), np.fromiter(kept.values(), np.int64, len(kept)), tuple(n for n in ambiguous if n in kept))


def plain_name(name: str) -> str:
    """A name as it is looked for.

    >>> plain_name(" New  York ")
    'New York'
    """
    return " ".join(name.split())


def names_of(graph: Graph) -> list[tuple[str, ...]]:
    """All that each entity is called, in any language; its id only where it has no name."""
    return [names[1:] for names in graph.synonyms()]


def degrees_of(entities: int, triples: Triples) -> list[int]:
    """How many triples each entity is in."""
    return np.bincount(triples[:, [0, 2]].ravel(), minlength=entities).tolist()


def read_priors(root: Path, entities: Sequence[str]) -> Priors:
    """The priors that lie in a graph's folder, if any do.

    Raises:
        DataError: A line is malformed, or names an entity that the graph does not have.
    """
    path = next((path for name in PRIORS if (path := root / name).is_file()), None)
    if path is None:
        return {}
    places = {entity: i for i, entity in enumerate(entities)}
    priors: dict[tuple[str, int], float] = {}
    for number, row in table(path):
        if not any(row):
            continue
        if len(row) != 3 or not (value := _number(row[2])) >= 0:
            raise DataError("a name, an entity's id and a number of at least 0 are expected", path, number)
        if row[1] not in places:
            raise DataError(f"the graph has no entity '{row[1]}'{suggest(row[1], places)}", path, number)
        priors[plain_name(row[0]), places[row[1]]] = value
    return priors


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
