"""Plots of what runs reached: a curve over a setting that is a number, or else bars; and how they got there."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mkgc.reports.drawing import COLOURS, figure, label, look, save, styled
from mkgc.reports.groups import Comparable, compared
from mkgc.reports.runs import IDENTITY, Row, identified, names
from mkgc.reports.saved import Run
from mkgc.reports.training_curves import draw_training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 15.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""

TICKS = 12
"""Values that an axis names one by one."""

BARS = 40
"""Bars that a plot has at most."""

NOWHERE = ("None", "")
"""How a setting reads that is null (``data.shots=null`` is all of train), or that a system does not have."""


class Point(NamedTuple):
    """A row of the table: what tells it from the others, and the measure of each of its runs."""

    row: Row
    values: list[float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def draw(runs: Iterable[Run], folder: Path) -> list[Path]:
    """Draws what each table has, as PNG and SVG in a folder, and returns the files; none where nothing is to be drawn.

    Raises:
        DataError: Runs of one table were tested on different data, or by different protocols.
    """
    found = compared(runs)
    tasks = [one.task for one in found]
    files: list[Path] = []
    with styled():
        for i, shown in enumerate(found):
            number = f"_{1 + tasks[:i].count(shown.task)}" if tasks.count(shown.task) > 1 else ""
            for kind, made in _figures(shown):
                files += save(made, folder, re.sub(r"[^\w.-]", "_", f"{shown.task}{number}_{kind}")[:100])
    return files


def _figures(shown: Comparable) -> Iterator[tuple[str, Figure]]:
    points = _points(shown)
    there = [point for point in points if point.values]
    measure = f"test {next((group.metric for group in shown.groups if group.metric), '')}"
    if len(there) > 1:
        number = _number(there)
        yield number or "systems", _bars(there, measure) if number is None else _curves(there, number, measure)
    training = draw_training(shown.groups, _names(points))
    if training is not None:
        yield "training", training


def _points(shown: Comparable) -> list[Point]:
    """A point for each group, with no value where none of its runs has finished."""
    points = []
    for row, group in zip(identified(shown.groups), shown.groups, strict=True):
        values = [one.figures["test"].get(str(group.metric), math.nan) for one in group.runs]
        points.append(Point(row, [value for value in values if math.isfinite(value)]))
    return points


def _names(points: Sequence[Point]) -> list[str]:
    rows = [point.row for point in points]
    return [name or str(row["run"]) for name, row in zip(names(rows), rows, strict=True)]


def _number(points: Sequence[Point]) -> str | None:
    """The setting that is a number, as far as it is there and not null, with most values; None where there is none.

    There is none, either, where no two rows differ in it alone, as in a search: a line through them would mean nothing.
    """
    found, rows = {}, [point.row for point in points]
    for key in (key for key in rows[0] if key not in IDENTITY):
        texts = {str(row[key]) for row in rows} - {*NOWHERE}
        lines = Counter(names([row for row in rows if str(row[key]) not in NOWHERE], key))
        if len(texts) > 1 and max(lines.values()) > 1 and all(_float(text) is not None for text in texts):
            found[key] = len(texts)
    return max(found, key=lambda key: found[key]) if found else None


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _curves(points: Sequence[Point], key: str, measure: str) -> Figure:
    """The measure over a number: a line through the means, a band of one standard deviation, a dot for each run.

    Rows in which the number is null, or not there, are level lines.
    """
    made, (axes,) = figure(5.2, 3.4)
    lines: dict[str, list[tuple[float, Point]]] = {}
    level: list[tuple[str, Point]] = []
    for point, name in zip(points, names([point.row for point in points], key), strict=True):
        lines.setdefault(name, [])
        if (place := _float(str(point.row[key]))) is None:
            level.append((name, point))
        else:
            lines[name].append((place, point))
    for i, (name, line) in enumerate(lines.items()):
        _line(axes, sorted(line, key=lambda pair: pair[0]), name, i)
    for name, point in level:
        text = f"{name} {key}=null".strip() if point.row[key] else name or str(point.row["run"])
        colour = COLOURS[[*lines].index(name) % len(COLOURS)]
        axes.axhline(point.mean, color=colour, linestyle=":", label=label(text))
    _scale(axes, sorted({place for line in lines.values() for place, _ in line}))
    axes.set_xlabel(label(key))
    axes.set_ylabel(label(measure))
    if any(axes.get_legend_handles_labels()[1]):
        axes.legend(fontsize=8)
    return made


def _line(axes: Axes, line: Sequence[tuple[float, Point]], name: str, i: int) -> None:
    if not line:
        return
    places, means = [place for place, _ in line], [point.mean for _, point in line]
    how = look(i)
    axes.plot(places, means, **how, markersize=5, label=label(name) if name else None)
    if any(point.sd for _, point in line):
        low, high = ([point.mean + sign * point.sd for _, point in line] for sign in (-1, 1))
        axes.fill_between(places, low, high, color=how["color"], alpha=0.15, linewidth=0)
    dots = [(place, value) for place, point in line for value in point.values if len(point.values) > 1]
    axes.scatter([x for x, _ in dots], [value for _, value in dots], s=6, color=how["color"], alpha=0.5, linewidth=0)


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """An axis that names its values, if they are few, and is logarithmic, if they are far apart."""
    if values and values[0] > 0 and values[-1] / values[0] >= WIDE:
        axes.set_xscale("log")
    if len(values) <= TICKS:
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()


def _bars(points: Sequence[Point], measure: str) -> Figure:
    """A bar a row with its mean, from 0; of several runs a whisker of one standard deviation, and a dot for each.

    Of very many rows, those of the highest bars.
    """
    highest = sorted(range(len(points)), key=lambda i: -points[i].mean)[:BARS]
    points = [points[i] for i in sorted(highest)]
    made, (axes,) = figure(5.6, 0.9 + 0.34 * len(points))
    places = range(len(points))
    means, spread = [point.mean for point in points], [point.sd for point in points]
    axes.barh(places, means, 0.65, color=COLOURS[0], alpha=0.75)
    if any(spread):
        axes.errorbar(means, places, xerr=spread, fmt="none", ecolor="#000000", elinewidth=1, capsize=3)
    dots = [(value, i) for i, point in enumerate(points) for value in point.values if len(point.values) > 1]
    axes.scatter([x for x, _ in dots], [y for _, y in dots], s=8, color="#000000", alpha=0.5, zorder=3, linewidth=0)
    axes.set_yticks(places, [*map(label, _names(points))])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label(measure))
    return made
