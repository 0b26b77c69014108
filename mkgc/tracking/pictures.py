"""Pictures of a run's results for trackers that show pictures; drawn off screen, and small."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from mkgc.tracking.results import Confusion
from mkgc.tracking.shown import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 160
"""Pixels of a thumbnail's longer side."""

COLUMNS, ROWS = 4, 3
"""Predictions on one sheet."""


def thumbnail(path: Path) -> UInt8[np.ndarray, "H W 3"] | None:
    """An image made small; None where it cannot be read, which the run has said."""
    from mkgc.images.decode import ImageError, read_thumbnail

    try:
        return np.asarray(read_thumbnail(path, SIDE))
    except ImageError:
        return None


def of_one_size(pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The pictures with white below and to the right, up to the highest and the widest, as W&B shows them."""
    height, width = (max((one.shape[axis] for one in pictures), default=0) for axis in (0, 1))
    return [
        np.pad(one, ((0, height - one.shape[0]), (0, width - one.shape[1]), (0, 0)), constant_values=255)
        for one in pictures
    ]


def draw_confusion(confusion: Confusion) -> Figure:
    """The matrix, each row as shares of its gold class, with the counts in it."""
    from matplotlib.figure import Figure

    counts = np.array(confusion.counts())
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.4 * len(confusion.classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_plain(textwrap.shorten(name, 28, placeholder="…")) for name in confusion.classes]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = shares[row, column] > 0.5
            axes.text(column, row, f"{count:,}", ha="center", va="center", size=8, color="white" if dark else "black")
    return figure


def draw_sheets(predictions: Sequence[Shown]) -> list[Figure]:
    """The predictions with their first image each, a dozen on a sheet."""
    size = COLUMNS * ROWS
    return [_sheet(predictions[start : start + size]) for start in range(0, len(predictions), size)]


def _sheet(predictions: Sequence[Shown]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * COLUMNS, 3.4 * ROWS), layout="constrained")
    places: Any = figure.subplots(ROWS, COLUMNS)
    for axes in places.flat:
        axes.axis("off")
    for axes, one in zip(places.flat, predictions, strict=False):
        pixels = thumbnail(one.images[0]) if one.images else None
        axes.imshow(np.full((SIDE, SIDE, 3), 240, np.uint8) if pixels is None else pixels)
        axes.set_title(_caption(one), size=8, loc="left", color="black" if one.right else "#b00020")
    return figure


def _caption(one: Shown) -> str:
    said = f"{'✓' if one.right else '✗'} {one.predicted}" + ("" if one.right else f" (gold: {one.gold})")
    text = textwrap.shorten(one.text, 110, placeholder="…")
    return _plain(
        "\n".join([*textwrap.wrap(text, 42), *textwrap.wrap(textwrap.shorten(said, 90, placeholder="…"), 42)])
    )


def _plain(text: str) -> str:
    """Text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
