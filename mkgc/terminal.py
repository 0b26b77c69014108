"""Text for a terminal: lines in which no name, label or path of the data can act or break a line."""

from __future__ import annotations

import sys

from rich.text import Text

from mkgc.errors import printable


def say(line: str, error: bool = False) -> None:
    """Prints one line, on the standard output or as an ``error`` on the other."""
    print(printable(line), file=sys.stderr if error else sys.stdout, flush=True)


def plural(number: int, one: str, many: str) -> str:
    """The words for a number of things: ``one`` for 1.

    >>> plural(1, "entity has", "entities have"), plural(0, "is", "are")
    ('entity has', 'are')
    """
    return one if number == 1 else many


def plain(text: str, style: str = "") -> Text:
    """Text for one cell or line as it is."""
    return Text(printable(text), style)
