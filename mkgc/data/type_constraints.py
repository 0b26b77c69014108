"""Type constraints: which entities may stand at either side of a relation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from mkgc.data.formats.tables import between, table
from mkgc.data.formats.text_files import find
from mkgc.data.graph import Graph, Triples
from mkgc.errors import ConfigError, DataError

KINDS = ("seen", "types")

MOST = 1 << 32
"""Bytes of a table."""

Admitted = Bool[np.ndarray, "Q N"]
"""Whether an entity (a column) may be the answer: in row 2 r as a head of relation r, in row 2 r + 1 as a tail."""


def admitted_entities(graph: Graph, kind: str, root: Path) -> Admitted:
    """The entities that may be heads and tails of each relation.

    By "seen", those that train shows at that side of it; by "types", also those that share a type with one of these,
    or have none, as ``types.tsv`` in the graph's folder says. Of a relation that train does not show, all.

    Source: local closed-world assumptions, Krompaß et al. (2015), "Type-Constrained Representation Learning in
    Knowledge Graphs".

    Raises:
        ConfigError: There is no such kind, or the graph is too large for a table.
        DataError: The types are missing or malformed.
    """
    if kind not in KINDS:
        raise ConfigError(f"type_constraints={kind}: choose {' or '.join(KINDS)}, or null for none")
    if 2 * len(graph.relations) * len(graph.entities) > MOST:
        raise ConfigError(f"type_constraints={kind}: entities times relations are too many for a table of them")
    seen = _seen(graph, graph.triples["train"])
    allowed = seen if kind == "seen" else _of_like_types(seen, read_types(root, graph.entities))
    return allowed | ~seen.any(1, keepdims=True)


def read_types(root: Path, entities: Sequence[str]) -> Int[np.ndarray, "n 2"]:
    """Rows (entity, type) by number, of ``types.tsv`` or ``types.csv``: an entity and one of its types a line.

    Raises:
        DataError: There is no such file, or a line is malformed; entities that the graph lacks are passed over.
    """
    path = find(root / "types.tsv", root / "types.csv", why="and type_constraints=types reads it: entity, type")
    places = {entity: i for i, entity in enumerate(entities)}
    numbers: dict[str, int] = defaultdict(lambda: len(numbers))
    rows = []
    for number, row in table(path):
        if not any(row):
            continue
        if len(row) != 2 or "" in row:
            raise DataError(f"{len(row)} columns instead of entity, type between {between(path)}", path, number)
        if row[0] in places:
            rows.append((places[row[0]], numbers[row[1]]))
    if not rows:
        raise DataError("names no entity of the graph", path)
    return np.array(rows, dtype=np.int64)


def _seen(graph: Graph, train: Triples) -> Admitted:
    seen = np.zeros((2 * len(graph.relations), len(graph.entities)), bool)
    head, relation, tail = train.T
    seen[2 * relation, head] = seen[2 * relation + 1, tail] = True
    return seen


def _of_like_types(seen: Admitted, typed: Int[np.ndarray, "n 2"]) -> Admitted:
    """Also entities of which a type occurs in a row, or that have none."""
    entity, kind = typed.T
    allowed = seen.copy()
    for row, own in zip(allowed, seen, strict=True):
        row[entity[np.isin(kind, kind[own[entity]])]] = True
    allowed[:, ~np.isin(np.arange(seen.shape[1]), entity)] = True
    return allowed
