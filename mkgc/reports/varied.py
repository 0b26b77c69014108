"""The variables of a sweep: the settings in which the runs of one folder differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mkgc.reports.saved import ONE_RUN, Run

MOST = 5
"""Settings that a row names; runs that differ in more are no sweep, but other systems."""


def varied(runs: Sequence[Run], kinds: Sequence[str]) -> dict[str, str]:
    """For each run by its name that has others of its kind beside it, the settings that are not the same in all."""
    families: dict[tuple[Path, str], list[Run]] = {}
    for one, kind in zip(runs, kinds, strict=True):
        if one.problem is None:
            families.setdefault((one.folder.parent, kind), []).append(one)
    return {name: text for family in families.values() for name, text in _told(family).items()}


def _told(family: list[Run]) -> dict[str, str]:
    leaves = [dict(_leaves(one.config)) for one in family]
    values = {key: tuple(each.get(key, "") for each in leaves) for each in leaves for key in each}
    differ = {key: value for key, value in values.items() if len(set(value)) > 1}
    shortest: dict[tuple[str, ...], str] = {}  # one setting is often the source of others, which then vary with it
    for key in sorted(differ, key=len):
        shortest.setdefault(differ[key], key)
    if not 0 < len(shortest) <= MOST:
        return {}
    rows = zip(family, *shortest, strict=True)
    return {one.name: ", ".join(map("{}={}".format, shortest.values(), row)) for one, *row in rows}


def _leaves(node: dict[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """All settings that hold no others, with their places, but those of one run alone."""
    for key, value in node.items():
        path = f"{place}.{key}".lstrip(".")
        if isinstance(value, dict):
            yield from _leaves(value, path)
        elif path not in ONE_RUN:
            yield path, f"{value!s:.40}"
