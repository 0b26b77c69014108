"""The jobs of a sweep that never began: `jobs.json` in the sweep's folder has all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mkgc.app.files import write_json
from mkgc.errors import one_line
from mkgc.reports.saved import LARGEST, Run

JOBS = "jobs.json"

NAMED = 20
"""Jobs that are named one by one."""


def write_planned(sweep: Path, jobs: Mapping[str, str]) -> None:
    """Keeps the names of the jobs' folders in a sweep's, and the overrides that each has alone."""
    write_json(sweep / JOBS, dict(jobs))


def unbegun(folders: Iterable[Path], runs: Sequence[Run]) -> list[str]:
    """A line for each job of the sweeps in folders, or below, that never became a run."""
    begun = {one.folder.resolve() for one in runs}
    sweeps = dict.fromkeys(path.parent for folder in folders for path in sorted(folder.rglob(JOBS)))
    lines = [line for sweep in sweeps for line in _unbegun(sweep, begun)]
    return [*lines[:NAMED], f"and {len(lines) - NAMED} jobs more never began"] if len(lines) > NAMED else lines


def _unbegun(sweep: Path, begun: set[Path]) -> Iterator[str]:
    for name, own in planned(sweep).items():
        if (sweep / name).resolve() not in begun:
            yield one_line(f"job {name} of {sweep} never began: {own}", 300)


def planned(sweep: Path) -> dict[str, str]:
    """The jobs of a sweep as :func:`write_planned` keeps them; none where that cannot be read."""
    path = sweep / JOBS
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return {}
        jobs = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    plain = isinstance(jobs, dict) and all(isinstance(own, str) and "\0" not in name for name, own in jobs.items())
    return jobs if plain else {}
