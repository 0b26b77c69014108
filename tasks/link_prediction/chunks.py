"""How many scores are in memory at a time, whatever the graph's size."""

from __future__ import annotations

AT_ONCE = 1 << 25
"""Scores while answers are ranked: 128 MiB of them."""

CACHED = 1 << 20
"""Scores that a CPU is given at a time where there are more: in its cache, they are ranked and fitted three times as
fast."""


def entity_chunks(entities: int, rows: int, on_cpu: bool) -> list[slice]:
    """The entities in parts of which so many rows of scores fit into memory."""
    height = max(rows, 1)
    most = CACHED if on_cpu and entities * height > AT_ONCE else AT_ONCE
    size = max(most // height, 1)
    return [slice(start, min(start + size, entities)) for start in range(0, entities, size)]


def cached_rows(entities: int) -> int:
    """How many rows of scores lie in a CPU's cache."""
    return max(CACHED // entities, 1)
