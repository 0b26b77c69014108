"""Found images as one PNG, the best first, with their scores and names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mkgc.app.files import atomic_write
from mkgc.errors import one_line
from mkgc.explanations.sheet import EDGE, ROOM, Block, Sheet, words_block
from mkgc.images.decode import ImageError, read_thumbnail

ACROSS, BETWEEN, LETTERS = 6, 0.15, 8.0
SIDE = (ROOM + BETWEEN) / ACROSS - BETWEEN
"""Images beside each other; in inches the room between them and each side; points of the letters below."""

MOST, TITLE, NAME, PIXELS = 120, 300, 26, 300
"""Images of a sheet, characters of the question and of a name, and pixels of the longer side of an image."""

DIM = "#555555"


def draw_sheet(title: str, results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes the sheet of the best of them, whole or not at all; a problem stands in the place of what has one."""
    with warnings.catch_warnings(action="ignore"):  # of signs that no font here has: they are drawn as boxes
        shown = results[:MOST]
        rows = (shown[start : start + ACROSS] for start in range(0, len(shown), ACROSS))
        sheet = Sheet([words_block(one_line(title, TITLE), 15.0, weight="bold"), *map(_row, rows)])
        with atomic_write(path) as beside:
            sheet.save(beside)


def _row(results: Sequence[Mapping[str, Any]]) -> Block:
    def drawn(sheet: Sheet, top: float) -> None:
        for column, one in enumerate(results):
            left = EDGE + column * (SIDE + BETWEEN)
            axes = sheet.axes(left, top, SIDE, SIDE)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("#dddddd")
            try:
                axes.imshow(read_thumbnail(Path(one["file"]), PIXELS), aspect="equal")
                axes.set_anchor("S")
            except ImageError as error:
                axes.text(0.5, 0.5, error.kind, size=LETTERS, ha="center", color=DIM, transform=axes.transAxes)
            sheet.text(left, top + SIDE + 0.04, f"{one['rank']}. {one['score']:.3f}", LETTERS, weight="bold")
            sheet.text(left, top + SIDE + 0.20, one_line(one["image"], NAME), LETTERS, color=DIM)

    return Block(SIDE + 0.36, drawn)
