"""The nodes of a graph that a backbone reads texts with."""

from __future__ import annotations

from mkgc.data.context import KnowledgeContext
from mkgc.encoders.knowledge import KnowledgeEncoder
from mkgc.models.fusion_encoder import FusionEncoder


def add_nodes(backbone: FusionEncoder, knowledge: KnowledgeContext | None) -> None:
    """Gives a backbone that reads a graph a vector for each of its entities and relations; without a graph, none.

    Raises:
        MkgcError: The file of vectors that they begin with cannot be used.
    """
    if knowledge is not None and isinstance(backbone.side, KnowledgeEncoder):
        backbone.side.add_nodes(knowledge.entities, knowledge.relations)
