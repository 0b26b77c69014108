"""The jobs of a sweep that never began, by what Hydra has kept of the sweep: ``multirun.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mkgc.errors import DataError, one_line
from mkgc.reports.found import NUMBER
from mkgc.reports.references import setting
from mkgc.reports.saved import Run, read_settings

KEPT = "multirun.yaml"

NAMED = 20
"""Jobs that are named one by one."""


def unbegun(folders: Iterable[Path], runs: Sequence[Run]) -> list[str]:
    """A line for each job of the sweeps in folders or below that never became a run; a job is known by its number."""
    sweeps = (path.parent for folder in folders for path in sorted(folder.rglob(KEPT)))
    lines = [line for sweep in sweeps for line in _unbegun(sweep, runs)]
    return [*lines[:NAMED], f"and {len(lines) - NAMED} jobs more never began"] if len(lines) > NAMED else lines


def _unbegun(sweep: Path, runs: Sequence[Run]) -> Iterator[str]:
    jobs = planned(sweep)
    below = [one.folder.relative_to(sweep).parts for one in runs if one.folder.is_relative_to(sweep)]
    numbers = [NUMBER.match(parts[0]) for parts in below if parts]
    if not all(numbers):  # folders with names of the user's own tell no numbers
        return
    begun = {int(number[0]) for number in numbers if number}
    for i, job in enumerate(jobs):
        if i not in begun:
            yield one_line(f"job {i} of {sweep} never began: {' '.join(job)}", 300)


def planned(sweep: Path) -> list[list[str]]:
    """The overrides of each job, in order; none where they cannot be told, as of a search."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    with suppress(DataError, HydraException, TypeError, ValueError):
        settings = read_settings(sweep / KEPT)
        sweeper = setting(settings, "hydra.sweeper") or {}
        if str(sweeper.get("_target_", "")).endswith(".BasicSweeper"):
            words = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
            words += setting(settings, "hydra.overrides.task") or []
            (jobs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(words), None)
            swept = {word for job in jobs for word in job if any(word not in other for other in jobs)}
            return [[word for word in job if word in swept] for job in jobs]
    return []
