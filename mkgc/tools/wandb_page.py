"""`python -m mkgc.tools.wandb_page RUN PAGE.html`: what a run gave to Weights & Biases, offline, as one page.

The page needs neither the service nor a network: pictures are in it.
"""

from __future__ import annotations

import io
import json
import sys
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkgc.app.files import write_whole
from mkgc.errors import DataError, MkgcError
from mkgc.reports.pages import render
from mkgc.terminal import say
from mkgc.tracking.facts import flat
from mkgc.tracking.wandb_file import Kept, read_kept

STEP = "trainer/global_step"

COUNTS = ("/support", "/count")
"""Figures that say how much was scored, which no epoch changes."""

Cell = dict[str, Any]
"""A cell of a table: its ``text``, or the ``picture`` that it shows, as an address with the data in it."""


def page(run: Kept) -> str:
    """The page of a run."""
    tables = {key: value for key, value in run.summary.items() if _kind(value) == "table-file"}
    galleries = {key: value for key, value in run.summary.items() if _kind(value) == "images/separated"}
    media = {key for key, value in run.summary.items() if _kind(value)}
    figures = flat({key: value for key, value in run.summary.items() if key not in media})
    shown = {key: value for key, value in figures.items() if not key.startswith("_")} | best(run)
    return render(
        "tracked.html",
        title=f"{run.project}: {run.name}",
        group=run.group,
        curves=curves(run),
        summary=sorted(shown.items()),
        settings=flat({key: value for key, value in run.config.items() if not key.startswith("_")}),
        tables={key: crossed(*read_table(run.folder, str(value["path"]))) for key, value in tables.items()},
        galleries={key: read_gallery(run.folder, value) for key, value in galleries.items()},
    )


def best(run: Kept) -> dict[str, float]:
    """The best value of each figure that has a direction: the service finds it when a run is uploaded."""
    found: dict[str, float] = {}
    for name, mode in run.metrics.items():
        values = [row[name] for row in run.rows if isinstance(row.get(name), int | float)]
        if mode and values:
            found[f"{name}.{mode}"] = max(values) if mode == "max" else min(values)
    return found


def _kind(value: Any) -> str:
    return str(value.get("_type")) if isinstance(value, Mapping) else ""


def read_table(folder: Path, path: str) -> tuple[list[str], list[list[Cell]]]:
    """A logged table's columns and rows, without its pictures, which are shown beside it.

    Raises:
        DataError: It is not there, or no table.
    """
    try:
        table = json.loads((folder / path).read_text(encoding="utf-8"))
        kept = [i for i, name in enumerate(table["columns"]) if name != "image"]  # which the client keeps elsewhere
        rows = [[_cell(row[i]) for i in kept] for row in table["data"]]
        return [table["columns"][i] for i in kept], rows
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError("is no table that a run has logged", folder / path) from error


def crossed(columns: list[str], rows: list[list[Cell]]) -> tuple[list[str], list[list[Cell]]]:
    """Counts of pairs as a matrix, a row for each gold class; any other table as it is."""
    if columns != ["Actual", "Predicted", "nPredictions"]:
        return columns, rows
    counts = {(row[0]["text"], row[1]["text"]): row[2] for row in rows}
    classes = [*dict.fromkeys(gold for gold, _ in counts)]
    return ["gold / predicted", *classes], [
        [{"text": gold}, *(counts.get((gold, predicted), {"text": ""}) for predicted in classes)] for gold in classes
    ]


def read_gallery(folder: Path, value: Mapping[str, Any]) -> list[Cell]:
    """Logged pictures with their captions."""
    captions = value.get("captions") or [""] * len(value["filenames"])
    return [
        {"picture": address(folder / str(file)), "text": str(caption)}
        for file, caption in zip(value["filenames"], captions, strict=False)
    ]


def _cell(value: Any) -> Cell:
    return {"text": "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)}


def address(path: Path) -> str:
    """A picture as an address that holds it; an empty one where it is not there."""
    try:
        return "data:image/png;base64," + b64encode(path.read_bytes()).decode()
    except OSError:
        return ""


def curves(run: Kept) -> str:
    """All figures that have more than one point over the steps, one beside the other, as a picture's address."""
    from matplotlib.figure import Figure

    found: dict[str, list[tuple[float, float]]] = {}
    for row in run.rows:
        for key, value in row.items():
            if (
                STEP in row
                and key.startswith(("train/", "dev/", "lr"))
                and not key.endswith(COUNTS)
                and isinstance(value, int | float)
            ):
                found.setdefault(key, []).append((float(row[STEP]), float(value)))
    drawn = {key: points for key, points in sorted(found.items()) if len(points) > 1 and key.count("/") < 2}
    rows = -(-len(drawn) // 4)
    if not rows:
        return ""
    figure = Figure(figsize=(13, 2.4 * rows), layout="constrained")
    places: Any = figure.subplots(rows, 4, squeeze=False)
    for axes in places.flat[len(drawn) :]:
        axes.axis("off")
    for axes, (key, points) in zip(places.flat, drawn.items(), strict=False):
        axes.plot(*zip(*points, strict=True), linewidth=1.5, marker="." if len(points) < 20 else None)
        axes.set_title(key, size=10, loc="left")
        axes.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return "data:image/png;base64," + b64encode(picture.getvalue()).decode()


def main() -> None:
    """The command."""
    if len(sys.argv) != 3:
        say("mkgc: give RUN PAGE.html: a run's folder (or its .wandb file), and the page to be written", error=True)
        sys.exit(2)
    try:
        run = read_kept(Path(sys.argv[1]))
        write_whole(Path(sys.argv[2]), page(run))
    except (MkgcError, OSError) as error:
        say(f"mkgc: {error}", error=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
