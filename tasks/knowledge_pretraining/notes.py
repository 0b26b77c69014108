"""What a user should know of a corpus before training: how much of it is cut, and what is linked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mkgc.data.cutting import note_cuts, spread_over
from mkgc.data.graph_notes import note_graphs
from mkgc.inspect.report import Finding

SAMPLE = 1000
"""Sentences of a split, spread over it, that are looked at; all of it, where there are no more."""


def note_corpus(features: Mapping[str, Any], max_length: int, max_nodes: int | None) -> list[Finding]:
    """Notes on a sample of each split."""
    notes: list[Finding] = []
    for split, part in features.items():
        sample = spread_over(part, SAMPLE)
        named = split if len(sample) == len(part) else f"{split} (a sample)"
        notes += note_cuts(named, [item.cut for item in sample], max_length)
        if max_nodes is not None:
            notes += note_graphs(named, [item.graph for item in sample], max_nodes, max_length)
    return notes
