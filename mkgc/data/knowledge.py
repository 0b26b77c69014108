"""Small graphs around texts, and the batches that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mkgc.batch import Knowledge
from mkgc.data.examples import Span


@dataclass(frozen=True)
class Subgraph:
    """The entities and relations that a text of ``length`` tokens is about.

    ``nodes`` are their numbers, ``edges`` pairs of positions among them, in either order. ``spans`` are the mentions
    of the first nodes, in the nodes' order. ``unread`` mentions stand where the text is not read; ``left_out`` of the
    other mentions and of the triples were too many.

    Raises:
        ValueError: An edge or a span names what is not there.
    """

    length: int
    nodes: tuple[int, ...]
    edges: tuple[tuple[int, int], ...] = ()
    spans: tuple[Span, ...] = ()
    unread: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        count = len(self.nodes)
        if strange := [edge for edge in self.edges if not all(0 <= end < count for end in edge)]:
            raise ValueError(f"edge {strange[0]} of a graph with {count} nodes")
        if strange := [span for span in self.spans if not 0 <= span.start < span.end <= self.length]:
            raise ValueError(f"mention {tuple(strange[0])} in a text of {self.length} tokens")
        if len(self.spans) > count:
            raise ValueError(f"{len(self.spans)} mentions of {count} nodes")


def knowledge_batch(graphs: Sequence[Subgraph]) -> Knowledge:
    """The graphs of several texts, padded to the largest; each node sees itself and its neighbours."""
    size, most = (max(map(len, parts)) for parts in ([g.nodes for g in graphs], [g.spans for g in graphs]))
    nodes = torch.zeros(len(graphs), size, dtype=torch.long)
    adjacency = torch.zeros(len(graphs), size, size, dtype=torch.bool)
    spans = torch.zeros(len(graphs), most, 2, dtype=torch.long)
    for row, graph in enumerate(graphs):
        nodes[row, : len(graph.nodes)] = torch.tensor(graph.nodes, dtype=torch.long)
        for one, other in (*graph.edges, *((node, node) for node in range(len(graph.nodes)))):
            adjacency[row, one, other] = adjacency[row, other, one] = True
        if graph.spans:
            spans[row, : len(graph.spans)] = torch.tensor(graph.spans)
    return Knowledge(nodes, adjacency.diagonal(dim1=1, dim2=2).clone(), adjacency, spans)


def collate_knowledge(graphs: Sequence[Subgraph | None]) -> Knowledge | None:
    """The graphs of several texts, empty where one has none; None if none is read with a graph."""
    if all(graph is None for graph in graphs):
        return None
    return knowledge_batch([Subgraph(0, ()) if graph is None else graph for graph in graphs])


def piece_span(span: Span, words: Sequence[int]) -> Span:
    """The tokens ``[start, end)`` of words, of which ``words`` has the number for each token (-1: of none).

    From the first to the last token of these words that is read; an empty span, if none is.

    >>> piece_span(Span(1, 3), [-1, 0, 1, 1, 2, -1])
    Span(start=2, end=5)
    """
    own = [place for place, word in enumerate(words) if span.start <= word < span.end]
    return Span(own[0], own[-1] + 1) if own else Span(0, 0)
