"""Tables on a terminal; nothing of the data is taken for markup."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table as RichTable

from mkgc.reports.table import Cell, Table, shown
from mkgc.reports.writers import markdown
from mkgc.terminal import plain


def show(tables: Iterable[Table], console: Console) -> None:
    """Prints tables on a terminal, and Markdown into a file or a pipe."""
    if not console.is_terminal:
        console.file.write(markdown([*tables]))
        return
    for table in tables:
        console.print(drawn(table))
        for note in table.notes:
            console.print(plain(note), soft_wrap=True)


def drawn(table: Table) -> RichTable:
    """A table for rich, with figures on the right."""
    rich = RichTable(title=plain(table.title) if table.title else None, title_justify="left")
    for i, name in enumerate(table.columns):
        rich.add_column(plain(name), justify="right" if table.numeric(i) else "left", overflow="fold")
    for i, row in enumerate(table.rows):
        rich.add_row(*(plain(shown(cell), _style(cell, (i, j) in table.best)) for j, cell in enumerate(row)))
    return rich


def _style(cell: Cell, best: bool) -> str:
    return "bold green" if best else "yellow" if cell == "differs" else ""
