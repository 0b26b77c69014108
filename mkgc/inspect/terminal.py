"""A report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from mkgc.inspect.report import Cell, Report, Table, shown, verdict
from mkgc.terminal import grid, plain

STYLES = {"fatal": "bold red", "warning": "yellow", "info": "dim"}


def show(report: Report, console: Console) -> None:
    """Prints the tables, then the findings; nothing of the data is taken for markup."""
    console.print(plain(report.title, "bold"))
    for table in report.tables:
        console.print(_table(table))
    for finding in report.findings:
        console.print(Text.assemble((f"{finding.severity:<8}", STYLES[finding.severity]), plain(finding.text)))
    console.print(Text(verdict(report), style="bold"))


def _table(table: Table) -> RichTable:
    numeric = [any(isinstance(row[i], int | float) for row in table.rows) for i in range(len(table.columns))]
    rich = grid(table.title, table.columns, numeric)
    for row in table.rows:
        rich.add_row(*map(_cell, row))
    return rich


def _cell(cell: Cell) -> Text:
    return plain(shown(cell), "yellow" if cell == "differs" else "")
