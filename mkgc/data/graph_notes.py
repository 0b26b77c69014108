"""What a user should know of the knowledge graphs around sentences before training begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mkgc.data.knowledge import Subgraph
from mkgc.inspect.report import Finding
from mkgc.terminal import plural

FEW = 0.01
"""The share of a split's sentences up to which a loss is a remark, and no warning."""


def note_graphs(split: str, graphs: Sequence[Subgraph | None], max_nodes: int, max_length: int) -> list[Finding]:
    """How many sentences of a split have a graph, and what of graphs is left out."""
    found = [graph for graph in graphs if graph is not None and graph.nodes]
    with_edges = sum(any(one != other for one, other in graph.edges) for graph in found)
    have = plural(len(found), "mentions an entity", "mention entities")
    text = f"{len(found):,} of {len(graphs):,} sentences of {split} {have}, {with_edges:,} of them some that are linked"
    notes = [Finding("info" if found or not graphs else "warning", text)]
    notes += _lost(graphs, "unread", len(graphs), f"mentions of {split} stand behind data.max_length={max_length}")
    return notes + _lost(
        graphs, "left_out", len(graphs), f"nodes of {split} are more than data.knowledge.max_nodes={max_nodes}"
    )


def _lost(graphs: Iterable[Any], kind: str, of: int, what: str) -> list[Finding]:
    counts = [count for graph in graphs if graph is not None and (count := getattr(graph, kind))]
    if not counts:
        return []
    text = (
        f"{sum(counts):,} {what}, in {len(counts):,} {plural(len(counts), 'sentence', 'sentences')}, and are left out"
    )
    return [Finding("warning" if len(counts) > FEW * of else "info", text)]
