"""The nodes of the graph around a record's text, which can be left out."""

from __future__ import annotations

from collections.abc import Sequence

from mkgc.data.context import KnowledgeContext
from mkgc.data.knowledge import Subgraph
from mkgc.explanations.contract import Part


def graph_parts(graph: Subgraph, knowledge: KnowledgeContext, number: int = 0) -> list[Part]:
    """Each node of the graph of a pass, by its name, and, if there are several, all of them together."""
    every = tuple(range(len(graph.nodes)))
    parts = [Part(name, "node", nodes={number: (node,)}) for node, name in enumerate(node_names(graph, knowledge))]
    return [*parts, *([Part("the whole graph", "nodes", nodes={number: every})] if len(parts) > 1 else [])]


def node_names(graph: Subgraph, knowledge: KnowledgeContext) -> Sequence[str]:
    """What each node is: an entity by its id, or a relation with the entities that it joins."""
    entities = len(knowledge.entities)
    names = []
    for place, node in enumerate(graph.nodes):
        if node < entities:
            names.append(f"entity {knowledge.entities[node]}")
            continue
        ends = {one for edge in graph.edges if place in edge for one in edge if one != place}
        joined = dict.fromkeys(knowledge.entities[graph.nodes[end]] for end in sorted(ends))
        names.append(f"relation {knowledge.relations[node - entities]} ({', '.join(joined)})")
    return names
