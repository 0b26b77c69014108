"""A report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from mkgc.inspect.report import Report, verdict
from mkgc.reports.terminal import drawn
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
