"""What a user should know of the knowledge graphs around sentences before training begins."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from mkgc.data.context import KnowledgeContext
from mkgc.data.formats.links import Link
from mkgc.data.knowledge import Subgraph
from mkgc.inspect.report import Finding
from mkgc.terminal import plural

FEW = 0.01
"""The share of a split's sentences up to which a loss is a remark, and no warning."""


def note_knowledge(
    context: KnowledgeContext,
    examples: Mapping[str, Sequence[Any]],
    features: Mapping[str, Sequence[Any]],
    max_length: int,
) -> list[Finding]:
    """All there is to say of a graph and sentences: examples have ``links``, features a ``graph``."""
    links = {split: [one.links for one in part if one.links is not None] for split, part in examples.items()}
    graphs = {split: [one.graph for one in part] for split, part in features.items()}
    return [
        *context.notes,
        *(note for split, part in links.items() for note in note_links(split, part, context.numbers)),
        *(n for s, part in graphs.items() for n in note_graphs(s, part, context.settings.max_nodes, max_length)),
    ]


def note_graphs(split: str, graphs: Sequence[Subgraph | None], max_nodes: int, max_length: int) -> list[Finding]:
    """How many sentences of a split have a graph, and what of graphs is left out."""
    found = [graph for graph in graphs if graph is not None and graph.nodes]
    joined = sum(bool(graph.edges) for graph in found)
    have = plural(len(found), "mentions an entity", "mention entities")
    text = f"{len(found):,} of {len(graphs):,} sentences of {split} {have}, {joined:,} of them some that are linked"
    notes = [Finding("info" if found or not graphs else "warning", text)]
    limits = f"data.max_length={max_length}", f"data.knowledge.max_nodes={max_nodes}"
    unread = _lost(graphs, "unread", "mentions", f"of {split} for {limits[0]}")
    return [*notes, *unread, *_lost(graphs, "left_out", "nodes", f"of {split} for {limits[1]}")]


def note_links(split: str, links: Iterable[Sequence[Link]], known: Container[str]) -> list[Finding]:
    """A warning where sentences of a split are linked to entities that the graph does not have."""
    given = [link.entity for part in links for link in part]
    strange = [entity for entity in given if entity not in known]
    if not strange:
        return []
    name = plural(len(strange), "names an entity", "name entities")
    text = f"{len(strange):,} of {len(given):,} links of {split} {name} that the graph does not have"
    return [Finding("warning", f"{text}, as '{strange[0]:.60}': left out")]


def _lost(graphs: Sequence[Subgraph | None], kind: str, what: str, why: str) -> list[Finding]:
    counts = [count for graph in graphs if graph is not None and (count := getattr(graph, kind))]
    if not counts:
        return []
    text = f"left out {why}: {what} {sum(counts):,}, in sentences {len(counts):,}"
    return [Finding("warning" if len(counts) > FEW * len(graphs) else "info", text)]
