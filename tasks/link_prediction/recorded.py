"""The ranked queries of a test, for `mkgc.report`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.analysis.breakdown import judged
from mkgc.analysis.queries import record
from mkgc.data.graph import Graph
from mkgc.metrics.ranking import Ranks
from mkgc.training.recorded import gathered
from tasks.link_prediction.processor import TripleProcessor

RankedTriples = tuple[Ranks, Int[Tensor, "_ 3"], Bool[Tensor, " _"]]
"""Ranks of triples, and whether it was the tail that was asked for."""


def save_ranked(
    parts: list[RankedTriples], processor: TripleProcessor, graph: Graph, folder: Path, world_size: int, is_first: bool
) -> None:
    """Writes what all processes have ranked into ``queries.npz``; each has tested its share."""
    imaged = np.array([any(groups.values()) for groups in processor.images], dtype=bool)
    records = gathered([record(*part, imaged) for part in parts], world_size)
    if is_first:
        judged(np.concatenate(records), graph.relations, graph.triples["train"]).save(folder / "queries.npz")
