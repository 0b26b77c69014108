"""Where a run is wrong: tables of classes, lengths and images, and a page of the worst examples with their images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mkgc.reports.error_report import ErrorReport
from mkgc.reports.groups import system
from mkgc.reports.saved import Run, read_run
from mkgc.reports.tested import read_tested


def report_errors(folder: Path, root: str | None) -> ErrorReport:
    """The errors of the test of a run; ``root`` is where its data lie, if they have moved.

    Raises:
        DataError: The run has recorded no predictions, or they are damaged.
        MkgcError: The data at ``root`` are not those of the run.
    """
    one = read_run(folder, folder)
    tested = read_tested(one)
    from mkgc.analysis.queries import Queries

    title = f"Errors of {folder}: {', '.join(_named(one))}"
    if isinstance(tested, Queries):
        from mkgc.reports.ranked_errors import ranked_errors

        return ranked_errors(title, one, tested, root)
    from mkgc.reports.answer_errors import answer_errors

    return answer_errors(title, one, tested, root)


def _named(one: Run) -> Iterator[str]:
    """The run's task, its system, and what it reached, as far as it says so."""
    task, metric = one.figures.get("task"), one.figures.get("metric")
    yield f"{task!s:.40}" if task else "a task that it does not name"
    if name := system(one):
        yield name
    if metric in (test := one.figures.get("test", {})):
        yield f"test {metric!s:.40} {test[metric]:.4f}"
