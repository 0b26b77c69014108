"""The errors of a run as its page shows them: tables, and the worst examples with their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mkgc.reports.pages import render
from mkgc.reports.table import Table
from mkgc.reports.thumbnails import Thumbnail

WORST = 100
"""Examples that the page shows."""


@dataclass(frozen=True)
class Case:
    """One of the worst examples: its name, what is known of it, its words and how they are marked, its images."""

    name: str
    facts: Sequence[tuple[str, str]]
    words: Sequence[tuple[str, str]]
    images: Sequence[Thumbnail]


@dataclass(frozen=True)
class ErrorReport:
    """The errors of a run; ``notes`` are what could not be found out, and why, ``legend`` says how words are marked."""

    title: str
    tables: Sequence[Table]
    cases: Sequence[Case]
    notes: Sequence[str]
    legend: str = ""

    @property
    def page(self) -> str:
        """An HTML page that needs nothing else; whatever the data hold is escaped."""
        return render("errors.html", report=self)
