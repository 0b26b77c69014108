"""A sheet of blocks below one another, laid out in inches, with text that is measured before it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from mkgc.errors import printable

WIDTH, EDGE, GAP = 12.0, 0.3, 0.12
ROOM = WIDTH - 2 * EDGE
LEADING = 1.45 / 72
"""The height of a line, in inches for each point of its letters."""

FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Source Han Sans SC",
    "PingFang SC",
)
"""Fonts in the order in which a sign is looked for; of those that are installed."""


@dataclass(frozen=True)
class Block:
    """A part of a sheet: its height, and what draws it, given the sheet and how far down it begins."""

    height: float
    draw: Callable[[Sheet, float], None]


class Sheet:
    """A figure with blocks below one another, as high as they are."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.height = 2 * EDGE + sum(block.height + GAP for block in blocks)
        self.figure = Figure(figsize=(WIDTH, self.height), dpi=100, facecolor="white")
        FigureCanvasAgg(self.figure)
        top = EDGE
        for block in blocks:
            block.draw(self, top)
            top += block.height + GAP

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place."""
        below = self.height - top - height
        return self.figure.add_axes((left / WIDTH, below / self.height, width / WIDTH, height / self.height))

    def text(self, left: float, top: float, words: str, size: float, **style: Any) -> None:
        """One line; nothing in it is taken for a formula."""
        place = left / WIDTH, 1 - top / self.height
        self.figure.text(*place, printable(words), size=size, va="top", parse_math=False, family=fonts(), **style)

    def save(self, path: Path) -> None:
        """Writes a PNG."""
        self.figure.savefig(path, format="png")


@cache
def fonts() -> list[str]:
    """The fonts that are there."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in known]


def measure(words: str, size: float, weight: str = "normal") -> float:
    """The width of a line, in inches."""
    font = FontProperties(family=fonts(), size=size, weight=weight)
    width: float = text_to_path.get_text_width_height_descent(printable(words), font, ismath=False)[0]
    return width / 72


def words_block(text: str, size: float, **style: Any) -> Block:
    """Running text, broken between words, and within one that is longer than a line."""
    lines = [*_wrapped(text, size, style.get("weight", "normal"))]

    def drawn(sheet: Sheet, top: float) -> None:
        for number, line in enumerate(lines):
            sheet.text(EDGE, top + number * size * LEADING, line, size, **style)

    return Block(len(lines) * size * LEADING, drawn)


def _wrapped(text: str, size: float, weight: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if measure(longer, size, weight) <= ROOM:
            line = longer
            continue
        if line:
            yield line
        while measure(word, size, weight) > ROOM:
            fits = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or measure(word[:n], size, weight) <= ROOM)
            yield word[:fits]
            word = word[fits:]
        line = word
    yield line
