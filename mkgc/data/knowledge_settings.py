"""The user's settings of the knowledge graph that texts are read with, checked when the configuration is composed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mkgc.data.carried_settings import CarriedSettings
from mkgc.errors import ConfigError

GraphFormat = Literal["triples", "tsv", "kg", "mmkg", "names"]


@dataclass(frozen=True)
class KnowledgeSettings(CarriedSettings):
    """Which knowledge graph stands around the texts, and how much of it.

    ``root`` is the graph's folder, ``format`` one of those of link prediction, or "names": a table of entities without
    triples. Of formats with splits, the triples of train are read.

    The graph around a text has at most ``max_nodes`` nodes: first its mentions, in the order of the text, then triples
    among these, those whose head and tail stand nearest to each other first. With ``hide_relations`` it has no nodes
    of relations: head and tail of a triple are neighbours, and how they are related cannot be seen.

    ``link`` says whether the names of entities are looked for in sentences that come without links; names of fewer
    than ``min_characters`` are not.
    """

    part = "knowledge"
    format: GraphFormat = "triples"
    max_nodes: int = 64
    hide_relations: bool = False
    link: bool = True
    min_characters: int = 2

    def __post_init__(self) -> None:
        for name in ("max_nodes", "min_characters"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.knowledge.{name}={getattr(self, name)} must be at least 1")
