"""How every plot looks, and files of it that are the same bytes for the same figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkgc.app.files import atomic_write
from mkgc.errors import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8A8A")
"""Of Okabe & Ito (2008), "Color universal design": told apart with any colour vision; without yellow, on white."""

MARKERS, LINES = "os^DvPX*", ("-", "--", "-.", ":")
"""So that curves can be told apart in print without colours, too."""

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "figure.dpi": 150,
    "svg.hashsalt": "mkgc",  # ids of shapes would be drawn by chance
    "text.parse_math": False,  # a dollar in a name is a dollar
}

FORMS: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""Formats of files, and what is left out of them that would change."""

LONGEST = 60
"""Characters of a label."""


@contextmanager
def styled() -> Iterator[None]:
    """Figures that are made and saved meanwhile look alike, whatever the user's own style of matplotlib."""
    from matplotlib import rc_context, rcdefaults

    with rc_context(), warnings.catch_warnings():
        rcdefaults()
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a sign that the font lacks is a box
        with rc_context(STYLE):  # type: ignore[arg-type]  # its keys are literals
            yield


def figure(width: float, height: float, panels: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure, in inches, with panels side by side."""
    from matplotlib.figure import Figure

    made = Figure((width, height), layout="constrained")
    return made, list(made.subplots(1, panels, squeeze=False)[0])


def label(text: str) -> str:
    """A text that fits beside a curve, and commands nothing."""
    return one_line(text, LONGEST)


def look(i: int) -> dict[str, Any]:
    """The colour, marker and line of the curve of a number."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": LINES[(i // len(COLOURS)) % len(LINES)],
    }


def save(made: Figure, folder: Path, name: str) -> list[Path]:
    """Writes ``NAME.png`` and ``NAME.svg``, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for form, metadata in FORMS.items():
        paths.append(path := folder / f"{name}.{form}")
        with atomic_write(path) as beside:
            made.savefig(beside, format=form, metadata=metadata)
    return paths
