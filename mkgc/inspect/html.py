"""A report as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from mkgc.inspect.report import Report, verdict
from mkgc.reports.pages import render


def page(report: Report) -> str:
    """The page of a report."""
    return render("report.html", report=report, verdict=verdict(report))
