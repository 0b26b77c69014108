"""Runs side by side: those that may be compared, and of these those together that differ in their seeds alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mkgc.errors import DataError
from mkgc.reports.saved import Run

NAMED = 5
"""Runs that a line names."""

SAME = {"data": "data", "protocol": "protocol", "graph": "knowledge graphs"}
"""Entries of ``metrics.json`` that must not differ within a table, and what they are called."""

OWN = ("graph",)
"""Those of them that a run lacks which does without."""


class Group(NamedTuple):
    """Runs with equal settings but their seeds: the finished ones, one a seed, and the ``lost`` without figures."""

    runs: tuple[Run, ...]
    lost: tuple[Run, ...] = ()

    @property
    def first(self) -> Run:
        return (*self.runs, *self.lost)[0]

    @property
    def place(self) -> str:
        """The one run's name, or the folder that all of them share."""
        names = [one.name for one in (*self.runs, *self.lost)]
        return names[0] if len(names) == 1 else os.path.commonpath(names) or "."

    def holds(self, place: Path) -> bool:
        """Whether one of its runs lies in a folder, or below."""
        return any(one.folder.resolve().is_relative_to(place.resolve()) for one in (*self.runs, *self.lost))

    @property
    def metric(self) -> str | None:
        """The measure that the task is chosen by."""
        return self.first.figures.get("metric")

    @property
    def best(self) -> str:
        """Whether more of that is better, or less: "max" or "min"."""
        return str(self.first.figures.get("mode", "max"))


class Comparable(NamedTuple):
    """Groups of a task on one data set, under one protocol; ``notes`` say which runs are missing, and why."""

    task: str
    data: str
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()

    def noted(self, notes: Sequence[str]) -> Comparable:
        """The same with further notes before its own."""
        return self._replace(notes=(*notes, *self.notes))

    def chosen(self, kept: Sequence[bool]) -> Comparable:
        """Some of the groups, without the notes."""
        return self._replace(groups=tuple(one for one, there in zip(self.groups, kept, strict=True) if there), notes=())


def compared(runs: Iterable[Run]) -> list[Comparable]:
    """The runs task by task and data set by data set.

    Data are the same where their digests are. Runs that do not say what they were tested on are taken to be of the data
    at the place that their settings name.

    Raises:
        DataError: The data at one place were others for one run than for another, or runs of one table were tested by
            different protocols.
    """
    sets: dict[tuple[str, str], list[Run]] = {}
    damaged: list[Run] = []
    places: dict[str, str] = {}
    for one in runs:
        if one.problem is not None:
            damaged.append(one)
            continue
        place = str(one.setting("data.root") or "")
        digest = f"{one.figures.get('data', '')}"
        place = places.setdefault(digest, place) if digest else place
        sets.setdefault((str(one.setting("task.name")), place), []).append(one)
    out = [_comparable(task, place, found) for (task, place), found in sets.items()]
    if damaged:
        out = [(out[0] if out else Comparable("no run", "", ())).noted([*map(_told, damaged)]), *out[1:]]
    return out


def _comparable(task: str, place: str, runs: Sequence[Run]) -> Comparable:
    finished = [one for one in runs if one.figures]
    unknown = [line for key in SAME for line in _check_same(task, key, finished)]
    groups, left_out = _grouped(runs)
    lost = [_told(one) for one in runs if not one.figures]
    return Comparable(task, place, groups, (*lost, *left_out, *unknown))


def _check_same(task: str, key: str, runs: Sequence[Run]) -> Iterator[str]:
    """Notes which runs do not say what the others say.

    Raises:
        DataError: They say different things.
    """
    said: dict[str, list[str]] = {}
    for one in runs:
        said.setdefault(f"{one.figures.get(key, '')!s:.40}", []).append(one.name)
    silent = said.pop("", [])
    if len(said) > 1:
        parts = "; ".join(f"{value}: {_some(names)}" for value, names in said.items())
        raise DataError(
            f"runs of {task} that were tested on different {SAME[key]} cannot stand in one table "
            f"({SAME[key]} {parts}): give runs=[DIR,…] of one kind alone"
        )
    if silent and key not in OWN and (said or (key == "data" and len(silent) > 1)):
        yield f"{SAME[key]} taken to be the same, as an earlier version did not record it: {_some(silent)}"


def _grouped(runs: Iterable[Run]) -> tuple[tuple[Group, ...], list[str]]:
    """The groups, and lines about finished runs that repeat another and do not count."""
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(json.dumps(one.leaves(), sort_keys=True), []).append(one)
    out, lines = [], []
    for group in groups.values():
        counted: dict[tuple[str, str], Run] = {}
        for one in group:
            if one.figures and counted.setdefault(one.seeds, one) is not one:
                lines.append(f"{one.name} repeats {counted[one.seeds].name}, seed {one.seeds[0]}, and does not count")
        lost = [one for one in group if not one.figures and one.seeds not in counted]
        out.append(Group(tuple(counted.values()), tuple(lost)))
    return tuple(out), lines


def _told(one: Run) -> str:
    """Why a run has no figures."""
    if one.problem is not None:
        return f"{one.name} cannot be used: {one.problem}"
    seed = f"{one.name} (seed {one.seeds[0]})"
    return f"{seed} did not finish" if one.failure is None else f"{seed} failed: {one.failure}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


PUBLISHED = {
    "PrefixFusion": "MKGformer",
    "ReleasedFusion": "MKGformer (released)",
    "KnowledgeAggregator": "KLMo",
    "ReleasedAggregator": "KLMo (released)",
    "InformationFusion": "ERNIE",
    "CoAttention": "ViLBERT",
    "SingleStream": "VisualBERT",
    "CrossEncoder": "KG-BERT",
    "AdaptiveCoAttention": "AdapCoAtt",
    "UnifiedTransformer": "UMT",
    "MultimodalGraph": "UMGF",
    "SceneFeatures": "BERT+SG",
    "GraphAlignment": "MEGA",
    "DualEncoder": "CLIP",
}
"""The names under which models were published, by the class that tells them from others."""


def system(one: Run) -> str:
    """The run's name in its settings, or else its backbone's.

    That is the published name, or the class in a word; of a backbone that fuses, its fusion's and what of it is
    switched off. A smoke run is called one.
    """
    return f"{_system(one)} (smoke run)" if one.setting("smoke") is True else _system(one)


def _system(one: Run) -> str:
    if one.setting("system") is not None:
        return f"{one.setting('system')!s:.40}"
    whole = _class(one, "backbone")
    if one.setting("backbone.text") is None or whole in PUBLISHED.values():
        return whole
    fusion = one.setting("backbone.fusion")
    if not isinstance(fusion, dict):
        return "text only"
    off = [f" without {key}" for key, value in fusion.items() if value is False]
    return _class(one, "backbone.fusion") + ",".join(off)


def _class(one: Run, key: str) -> str:
    name = str(one.setting(f"{key}._target_") or "").rpartition(".")[2]
    return PUBLISHED.get(name, name)
