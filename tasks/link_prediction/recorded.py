"""The ranked queries of a test, for `mkgc.report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mkgc.analysis.breakdown import judged
from mkgc.analysis.queries import record
from mkgc.data.graph import Graph
from mkgc.metrics.ranking import Ranks
from tasks.link_prediction.processor import TripleProcessor

RankedTriples = tuple[Ranks, Int[Tensor, "_ 3"], Bool[Tensor, " _"]]
"""Ranks of triples, and whether it was the tail that was asked for."""


def save_ranked(
    parts: list[RankedTriples], processor: TripleProcessor, graph: Graph, folder: Path, world_size: int, is_first: bool
) -> None:
    """Writes what all processes have ranked into ``queries.npz``; each has tested its share."""
    imaged = np.array([any(groups.values()) for groups in processor.images], dtype=bool)
    records = _gathered([record(*part, imaged) for part in parts], world_size)
    if is_first:
        judged(np.concatenate(records), graph.relations, graph.triples["train"]).save(folder / "queries.npz")


def _gathered(own: list[Any], world_size: int) -> list[Any]:
    if world_size == 1:
        return own
    shares: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(shares, own)
    return [part for share in shares for part in share]
