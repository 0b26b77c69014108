"""The results of tests, example by example, as the folder of a run holds them, or a folder of its repetitions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkgc.errors import DataError
from mkgc.reports.found import read_runs
from mkgc.reports.groups import compared
from mkgc.reports.saved import Run, read_run
from mkgc.training.run import FIGURES, PREDICTIONS, QUERIES

if TYPE_CHECKING:
    from mkgc.analysis.predictions import Predictions
    from mkgc.analysis.queries import Queries

    Tested = Queries | Predictions


def repetitions(folder: Path) -> list[Run]:
    """The run in a folder, or those below it, where they repeat one another.

    Raises:
        DataError: There is none, or they have different settings.
    """
    if any((folder / name).exists() for name in (*FIGURES, "config.yaml")):
        return [read_run(folder, folder)]
    runs = read_runs([folder])
    if problem := next((one.problem for one in runs if one.problem is not None), None):
        raise DataError(problem)
    groups = [group for kind in compared(runs) for group in kind.groups]
    if len(groups) > 1:
        names = ", ".join(group.first.name for group in groups[:2])
        raise DataError(f"holds runs of different settings ({names}, …): give one, or a folder of one's seeds", folder)
    if not groups[0].runs:
        raise DataError("no run below this folder has finished", folder)
    return [*groups[0].runs]


def require_same(first: Tested, other: Tested) -> None:
    """Checks that two tests were of the same examples.

    Raises:
        MetricError: They were not.
    """
    from mkgc.metrics import MetricError

    if type(first) is not type(other):
        raise MetricError("the runs are of different tasks: one ranks entities, the other does not")
    first.require_same(other)  # type: ignore[arg-type]  # of the same type, as has been checked


def read_tested(one: Run) -> Tested:
    """The ranked queries of a run, or its predictions.

    Raises:
        DataError: It has neither, or they are damaged.
    """
    from mkgc.analysis.predictions import Predictions
    from mkgc.analysis.queries import Queries

    ranks = "mrr" in one.figures["test"] if one.figures else not (one.folder / PREDICTIONS).exists()
    if ranks:
        return Queries.load(one.folder / QUERIES).ordered()
    return Predictions.load(one.folder / PREDICTIONS)
