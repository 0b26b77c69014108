"""A report on a terminal, and as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from mkgc.inspect.report import Report, verdict
from mkgc.reports.console import drawn
from mkgc.reports.pages import render
from mkgc.terminal import plain

STYLES = {"fatal": "bold red", "warning": "yellow", "info": "dim"}


def show(report: Report, console: Console) -> None:
    """Prints the tables, then the findings; nothing of the data is taken for markup."""
    console.print(plain(report.title, "bold"))
    for table in report.tables:
        console.print(drawn(table))
    for finding in report.findings:
        console.print(Text.assemble((f"{finding.severity:<8}", STYLES[finding.severity]), plain(finding.text)))
    console.print(Text(verdict(report), style="bold"))


def page(report: Report) -> str:
    """The page of a report."""
    return render("report.html", report=report, verdict=verdict(report))
