"""The knowledge graph that sentences are read with: its names, and what of it stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mkgc.data.context import KnowledgeContext
from mkgc.data.knowledge import Subgraph
from mkgc.inspect.report import Finding, Section
from mkgc.inspect.sentence_checks import spread
from mkgc.reports.table import Cell, Share, Table
from mkgc.terminal import plural

NAMED = 3
"""Names that a finding gives as examples."""


def inspect_knowledge(context: KnowledgeContext, features: Mapping[str, Sequence[Any]]) -> Section:
    """The graph's sizes and names, and the graphs around the sentences of each split: ``graph`` of their features."""
    graphs = {split: [item.graph or Subgraph(0, ()) for item in part] for split, part in features.items()}
    tables = (_sizes(context), _mentions(graphs), _graphs(graphs))
    silent = [split for split, part in graphs.items() if part and not any(graph.nodes for graph in part)]
    none = [Finding("warning", f"no sentence of {split} mentions an entity of the graph") for split in silent]
    return Section(tables, (*none, *_note_ambiguous(context)))


def _sizes(context: KnowledgeContext) -> Table:
    linked = {*context.triples[:, [0, 2]].ravel().tolist()}
    rows: tuple[tuple[Cell, ...], ...] = (
        ("entities", len(context.entities)),
        ("of them in a triple", len(linked)),
        ("relations", len(context.relations)),
        ("triples", len(context.triples)),
        ("names", len(context.names.names)),
        ("of them of several entities", len(context.names.ambiguous)),
    )
    return Table("Knowledge graph", ("what", "number"), rows)


def _mentions(graphs: Mapping[str, Sequence[Subgraph]]) -> Table:
    """Mentions a sentence, and how many sentences have some, or some that a triple joins."""
    rows: list[tuple[Cell, ...]] = []
    for split, part in graphs.items():
        counts = [len(graph.spans) for graph in part]
        some, joined = sum(map(bool, counts)), sum(bool(graph.edges) for graph in part)
        shares = Share(some / max(1, len(part))), Share(joined / max(1, len(part)))
        rows.append((split, *shares, *spread(counts), sum(graph.unread for graph in part)))
    columns = ("split", "with a mention", "with an edge", "median", "90th percentile", "most", "cut off")
    return Table("Mentions a sentence", columns, tuple(rows))


def _graphs(graphs: Mapping[str, Sequence[Subgraph]]) -> Table:
    """Nodes and edges of the graphs around sentences that mention an entity, and what was too much."""
    rows: list[tuple[Cell, ...]] = []
    for split, part in graphs.items():
        found = [graph for graph in part if graph.nodes]
        left = sum(graph.left_out for graph in part)
        rows.append((split, "nodes", *spread([len(graph.nodes) for graph in found]), left))
        rows.append((split, "edges", *spread([len(graph.edges) for graph in found]), None))
    columns = ("split", "of a graph", "median", "90th percentile", "most", "left out")
    return Table("Graphs around sentences", columns, tuple(rows))


def _note_ambiguous(context: KnowledgeContext) -> list[Finding]:
    names = context.names.ambiguous
    if not names:
        return []
    shown = ", ".join(f"'{name:.40}'" for name in names[:NAMED])
    are = plural(len(names), "name is", "names are")
    text = f"{len(names):,} {are} several entities' ({shown}{', …' if len(names) > NAMED else ''})"
    return [Finding("info", f"{text}: the linker takes the one with the highest prior, else with the most triples")]
