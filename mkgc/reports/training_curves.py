"""How runs got where they got: the loss by step, and dev by epoch and by time, from ``curves/metrics.csv``."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mkgc.reports.drawing import COLOURS, figure, label, look
from mkgc.reports.groups import Group
from mkgc.reports.saved import LARGEST, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 8
"""Rows of a table whose curves one plot holds; of more, those that came out best."""

SECONDS = "train/seconds"

Curve = list[tuple[float, float]]


class Curves(NamedTuple):
    """Of a run the loss by step, and the task's measure on dev by epoch and by seconds."""

    loss: Curve
    dev: Curve
    timed: Curve


def read_curves(one: Run) -> Curves:
    """The curves of a run, as far as there are some; rows that cannot be read are passed over."""
    rows = _rows(one.folder / "curves" / "metrics.csv")
    measure = f"dev/{one.figures.get('metric')}"
    loss = [(row["step"], row["train/loss"]) for row in rows if {"step", "train/loss"} <= row.keys()]
    dev = [row for row in rows if {"epoch", measure} <= row.keys()]
    timed = [row for row in dev if SECONDS in row]  # the last of all is the best checkpoint's, after training
    epochs = [(row["epoch"] + 1, row[measure]) for row in timed or dev]
    return Curves(loss, epochs, [(row[SECONDS], row[measure]) for row in timed])


def _rows(path: Path) -> list[dict[str, float]]:
    """The finite numbers of each row."""
    if not path.is_file() or path.stat().st_size > 16 * LARGEST:
        return []
    rows: list[dict[str, float]] = []
    with suppress(OSError, ValueError, csv.Error), path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found = {}
            for key, text in row.items():
                with suppress(ValueError, TypeError):
                    found[key] = float(text)
            rows.append({key: value for key, value in found.items() if math.isfinite(value)})
    return rows


def draw_training(groups: Sequence[Group], names: Sequence[str]) -> Figure | None:
    """Three panels with a colour for each group; None where no run has left curves."""
    from matplotlib.ticker import MaxNLocator

    best = sorted(range(len(groups)), key=lambda i: -_reached(groups[i]))[:MOST]
    read = [(names[i], [read_curves(one) for one in groups[i].runs]) for i in sorted(best)]
    curves = [(name, runs) for name, runs in read if any(map(any, runs))]
    panels = [i for i in range(3) if any(len(of[i]) > 1 for _, runs in curves for of in runs)]
    if not panels:
        return None
    metric = next((group.metric for group in groups if group.metric), "")
    words = (("step", "loss"), ("epoch", f"dev {metric}"), ("seconds", f"dev {metric}"))
    made, axes = figure(3.4 * len(panels) + 0.4, 3.2, len(panels))
    for each, panel in zip(axes, panels, strict=True):
        for i, (name, runs) in enumerate(curves):
            _draw(each, [of[panel] for of in runs], name, i, marked=panel > 0)
        each.set_xlabel(words[panel][0])
        each.xaxis.set_major_locator(MaxNLocator("auto", integer=panel < 2))
        each.set_ylabel(label(words[panel][1]))
    if len(curves) > 1:
        handles, labels = axes[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3), fontsize=8)
    return made


def _draw(axes: Axes, runs: Sequence[Curve], name: str, i: int, marked: bool) -> None:
    """The mean of a group's runs, point by point as long as all go on, and a thin line for each of several."""
    there = [curve for curve in runs if curve]
    if not there:
        return
    how: dict[str, Any] = look(i) if marked else {"color": COLOURS[i % len(COLOURS)]}
    mean = [tuple(map(statistics.fmean, zip(*points, strict=True))) for points in zip(*there, strict=False)]
    axes.plot(*zip(*mean, strict=True), **how, markersize=4, linewidth=1.5, label=label(name))
    for curve in there if len(there) > 1 else ():
        axes.plot(*zip(*curve, strict=True), color=how["color"], linewidth=0.6, alpha=0.4)


def _reached(group: Group) -> float:
    values = [one.figures["test"].get(str(group.metric), -math.inf) for one in group.runs]
    mean = sum(values) / len(values) if values else -math.inf
    return -mean if group.best == "min" else mean
