"""What reaches a terminal: lines and tables in which no name, label or path of the data can act or break a line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from mkgc.errors import printable


def say(line: str, error: bool = False) -> None:
    """Prints one line, on the standard output or as an ``error`` on the other."""
    print(printable(line), file=sys.stderr if error else sys.stdout, flush=True)


def grid(title: str, columns: Sequence[str], right: Iterable[bool]) -> Table:
    """A table without rows; columns that are ``right`` have their cells there. Nothing is taken for markup."""
    table = Table(title=plain(title) if title else None, title_justify="left")
    for name, numeric in zip(columns, right, strict=True):
        table.add_column(plain(name), justify="right" if numeric else "left", overflow="fold")
    return table


def plain(text: str, style: str = "") -> Text:
    """Text for one cell or line as it is."""
    return Text(printable(text), style)
