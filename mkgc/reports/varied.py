"""The variables of a sweep: the settings in which runs differ."""

from __future__ import annotations

from collections.abc import Sequence

from mkgc.reports.saved import Run

MOST = 6
"""Settings that a table of one kind of system shows."""

TOGETHER = 3
"""Settings of one section that may change together; more are a choice of that section, which one of them stands for."""

LONGEST = 40
"""Characters of a value."""


def varied(runs: Sequence[Run], kinds: Sequence[str]) -> dict[str, list[str]]:
    """The settings in which runs of one kind differ: for each key what it is in all runs, or nothing.

    A setting that refers to another is none of its own. Where there would be more than a table can show, those
    stay that tell the runs apart.
    """
    families: dict[str, list[Run]] = {}
    for one, kind in zip(runs, kinds, strict=True):
        families.setdefault(kind, []).append(one)
    keys = dict.fromkeys(key for family in families.values() for key in _differing(family))
    leaves = [one.leaves() for one in runs]
    return {key: [each.get(key, "")[:LONGEST] for each in leaves] for key in keys}


def _differing(family: Sequence[Run]) -> list[str]:
    leaves = [one.leaves() for one in family]
    values = {key: tuple(each.get(key, "") for each in leaves) for each in leaves for key in each}
    differ = {key: value for key, value in values.items() if len(set(value)) > 1}
    own = {key: value for key, value in differ.items() if not all(_refers(key, one) for one in family)}
    shown = _representatives(own)
    return shown if len(shown) <= MOST else _telling(shown, own)


def _refers(key: str, one: Run) -> bool:
    """Whether a setting, or one that holds it, is a reference."""
    parts = key.split(".")
    return any(".".join(parts[:end]) in one.referring for end in range(1, len(parts) + 1))


def _representatives(differ: dict[str, tuple[str, ...]]) -> list[str]:
    """All keys, but of many that change together in one section the shortest."""
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for key, values in differ.items():
        alike.setdefault((key.partition(".")[0], tuple(map(values.index, values))), []).append(key)
    kept = {key for keys in alike.values() for key in (keys if len(keys) <= TOGETHER else [min(keys, key=len)])}
    return [key for key in differ if key in kept]


def _telling(keys: Sequence[str], differ: dict[str, tuple[str, ...]]) -> list[str]:
    """Those that tell the runs apart, the ones with most values first."""
    told: list[tuple[str, ...]] = [()] * len(differ[keys[0]])
    chosen = []
    for key in sorted(keys, key=lambda key: -len(set(differ[key]))):
        finer = [(*before, value) for before, value in zip(told, differ[key], strict=True)]
        if len(set(finer)) > len(set(told)):
            told = finer
            chosen.append(key)
    return [key for key in keys if key in chosen]
