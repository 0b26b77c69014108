"""Ranked queries of a graph as predictions that can be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkgc.analysis.queries import Queries
from mkgc.data.graph import Graph
from mkgc.metrics.ranking import TARGETS
from mkgc.tracking.shown import SHOWN, Shown
from mkgc.training.smoke import spread


def shown_queries(path: Path, graph: Graph) -> list[Shown]:
    """Some of the ranked queries, spread over all of them, each with the images of the entity that is known.

    ``graph`` numbers its entities as the model does.
    """
    table = Queries.load(path).table
    return [_shown(table[i], graph, str(i)) for i in spread(len(table), SHOWN).tolist()]


def _shown(row: Any, graph: Graph, number: str) -> Shown:
    ends = [graph.names[int(row["head"])], graph.names[int(row["tail"])]]
    side = TARGETS[int(row["side"])]
    asked = TARGETS.index(side)
    gold, known = ends[asked], int(row[TARGETS[1 - asked]])
    ends[asked] = "?"
    relation = graph.relation_names[int(row["relation"])]
    rank, candidates = float(row["rank"]), int(row["candidates"])
    said = gold if rank == 1 else f"(rank {rank:g} of {candidates:,})"
    files = tuple(file for group in graph.images[known].values() for file in group)
    return Shown(number, f"{ends[0]} | {relation} | {ends[1]}", gold, said, 1 / rank, files)
