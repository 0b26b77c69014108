"""The table of systems whose lists have been judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mkgc.analysis.judged import K
from mkgc.reports.table import Cell, Table

FIGURES = (f"HR@{K}", f"NDCG@{K}", "MRR", f"strict NDCG@{K}")


def judged_table(figures: Mapping[str, Mapping[str, float]], kind: str, path: Path) -> Table:
    """A row for each system; ``kind`` is what the file at ``path`` calls its queries."""
    columns = [[one[figure] for one in figures.values()] for figure in FIGURES]
    best = frozenset(
        (i, j) for j, column in enumerate(columns, 1) for i, value in enumerate(column) if value == max(column)
    )
    rows: list[tuple[Cell, ...]] = [*zip(figures, *columns, strict=True)]
    count = next(iter(figures.values()))["queries"]
    return Table(f"{path.name}: {count} queries ({kind})", ("system", *FIGURES), rows, best, _notes(figures))


def _notes(figures: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    notes = [
        f"relevant: judged above 0.5 on average; NDCG@{K}: against the best order of the system's own list; "
        f"strict: against the best of all lists"
    ]
    lines = {
        "without_gain": f"queries without anything judged above 0, whose NDCG@{K} is 0",
        "unjudged": "listed items that nobody has judged, which count as not relevant",
        "repeated": "items that a list repeats, which the strict figure counts once",
    }
    for name, line in lines.items():
        if told := [f"{system} {one[name]}" for system, one in figures.items() if one[name]]:
            notes.append(f"{line}: {', '.join(told)}")
    return tuple(notes)
