"""The one form of a table: what a cell may be, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mkgc.errors import printable


class Share(float):
    """A number between 0 and 1 that reads as a percentage."""


class Spread(NamedTuple):
    """A figure over several seeds; ``sd`` is of a sample."""

    mean: float
    sd: float


Cell = str | int | float | tuple[float, ...] | None
"""A tuple is a Spread, or an Interval; None is a cell where nothing applies."""


@dataclass(frozen=True)
class Table:
    """Rows are as wide as ``columns``; ``best`` are cells (row, column) that stand out where the form allows it.

    ``notes`` are lines below: what the reader of the figures should know.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    best: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()

    def numeric(self, column: int) -> bool:
        """Whether a column has figures."""
        return any(not isinstance(row[column], str | None) for row in self.rows)


def shown(cell: Cell) -> str:
    """A cell as text: ``1,234``, ``93.9 %``, ``0.9244 ± 0.0041``, ``0.3380 [0.3321, 0.3442]``; nothing for None."""
    if isinstance(cell, tuple):
        value, *rest = (f"{part:.4f}" if abs(cell[0]) < 10 else f"{part:,.1f}" for part in cell)
        return f"{value} ± {rest[0]}" if isinstance(cell, Spread) else f"{value} [{', '.join(rest)}]"
    if isinstance(cell, Share):
        return f"{cell:.1%}".replace("%", " %")
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else printable(cell)
