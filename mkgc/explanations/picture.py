"""An explanation as a PNG: the sentence, where its marked tokens look, λ by layer and head, and what was left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mkgc.app.files import atomic_write
from mkgc.errors import one_line, printable
from mkgc.explanations.explanation import Explanation, PassLooks, Picture
from mkgc.explanations.sheet import EDGE, ROOM, Block, Sheet, fonts, measure, words_block

MARKED, PICTURES, ANSWERS, PARTS, NOTED = 3, 2, 3, 14, 200
"""The most marks, images, answers and parts that a picture shows, and characters of a note; the page has all."""

HEAT, SHARE = (0.90, 0.31, 0.0), (0.12, 0.35, 0.86)
RISES, FALLS, DIM = "#0a7d33", "#b00020", "#555555"
LETTERS, STEP, BETWEEN = 11.0, 0.3, 0.15
"""The size of tokens in points, and in inches the height of their lines and the room between images."""

OUTLINES = ("#e64f00", "#0a7d33", "#8a2be2", "#b8860b")


class Laid(NamedTuple):
    """Where a token stands, in inches from the left, and its line."""

    left: float
    line: int
    width: float


def draw(one: Explanation, path: Path) -> None:
    """Writes the picture, whole or not at all."""
    with warnings.catch_warnings(action="ignore"):  # of signs that no font here has: they are drawn as boxes
        sheet = Sheet([*_blocks(one)])
        with atomic_write(path) as beside:
            sheet.save(beside)


def _blocks(one: Explanation) -> Iterator[Block]:
    yield words_block(one.question, 15.0, weight="bold")
    predicted = [f"{answer.name} {answer.probability:.3f}" for answer in one.answers if answer.predicted]
    yield words_block(f"predicted: {'; '.join(predicted) or 'nothing'}", 12.0)
    others = [f"{answer.name} {answer.probability:.3f}" for answer in one.answers if not answer.predicted]
    if others:
        yield words_block(f"then: {'; '.join(others[:ANSWERS])}", 10.0, color=DIM)
    if one.passes:  # the first text: most records have one
        seen = one.passes[0]
        yield tokens_block(seen)
        if len(one.passes) > 1:
            yield words_block(
                f"The first of {len(one.passes)} texts that were read: the page shows all.", 9.0, color=DIM
            )
        if seen.layers:
            own = [i for i in range(len(one.pictures)) if any(token.image == i for token in seen.visual)]
            yield from (_image_block(one.pictures[i], i, seen) for i in own[:PICTURES])
        yield _numbers_block(one, seen)
    yield from (words_block(f"Note: {one_line(note, NOTED)}", 9.0, color=DIM) for note in one.notes)


def tokens_block(seen: PassLooks) -> Block:
    """The text's tokens, marked ones outlined; the bluer, the more the image tokens of the last such layer read it."""
    read, outlines, places = _read_by_images(seen), _outlines(seen), [*_laid_out(seen.tokens)]
    lines = places[-1].line + 1

    def drawn(sheet: Sheet, top: float) -> None:
        axes = sheet.axes(EDGE, top, ROOM, lines * STEP)
        axes.set(xlim=(0, ROOM), ylim=(lines * STEP, 0))
        axes.axis("off")
        for i, (place, token) in enumerate(zip(places, seen.tokens, strict=True)):
            edge, thick = (outlines[i], 1.8) if i in outlines else ("#bbbbbb", 0.6)
            corner = place.left, place.line * STEP + 0.02
            face = (*SHARE, 0.65 * float(read[i]))
            box = Rectangle(corner, place.width, STEP - 0.06, facecolor=face, edgecolor=edge, linewidth=thick)
            axes.add_patch(box)
            middle = place.left + place.width / 2, place.line * STEP + STEP / 2
            style: dict[str, Any] = {"ha": "center", "va": "center", "family": fonts()}
            axes.text(*middle, printable(token), size=LETTERS, parse_math=False, **style)
        if read.any():
            said = "blue: what image tokens read of the text in the last layer they look in, a mean of all"
            sheet.text(EDGE, top + lines * STEP, said, 8.0, color=DIM)

    return Block(lines * STEP + 0.18, drawn)


def _laid_out(tokens: Sequence[str]) -> Iterator[Laid]:
    left, line = 0.0, 0
    for token in tokens:
        width = measure(token, LETTERS) + 0.12
        if left > 0 and left + width > ROOM:
            left, line = 0.0, line + 1
        yield Laid(left, line, width)
        left += width + 0.05


def _read_by_images(seen: PassLooks) -> Float[np.ndarray, " T"]:
    """How much each text token is read by image tokens, as a share of the most."""
    sides = [layer.images for layer in seen.layers if layer.images is not None]
    if not sides:
        return np.zeros(len(seen.tokens))
    means = sides[-1].text.mean((0, 1))
    return means / max(float(means.max()), 1e-9)


def _outlines(seen: PassLooks) -> dict[int, str]:
    """The colours of marked tokens, by position: each mark has its own, and the first one counts."""
    found: dict[int, str] = {}
    for number, places in enumerate(seen.marked.values()):
        for place in places:
            found.setdefault(place, OUTLINES[number % len(OUTLINES)])
    return found


class Panel(NamedTuple):
    """A weight for each patch, with what it is, as a colour over the image; without weights, the image as it is."""

    title: str
    colour: tuple[float, float, float] = HEAT
    weights: Float[np.ndarray, "R C"] | None = None


def _image_block(picture: Picture, number: int, seen: PassLooks) -> Block:
    """An image beside itself under what each mark looks at, and under λ."""
    panels = [*_panels(picture, number, seen)]
    side = min((ROOM + BETWEEN) / len(panels) - BETWEEN, 2.6)

    def drawn(sheet: Sheet, top: float) -> None:
        for i, panel in enumerate(panels):
            left = EDGE + i * (side + BETWEEN)
            sheet.text(left, top, one_line(panel.title, int(side * 14)), 9.0)
            _overlay(sheet.axes(left, top + 0.22, side, side), picture, panel)
            if panel.weights is not None:
                said = f"{panel.weights.min():.3f} to {panel.weights.max():.3f} a patch"
                sheet.text(left, top + side + 0.26, said, 8.0, color=DIM)

    return Block(side + 0.42, drawn)


def _panels(picture: Picture, number: int, seen: PassLooks) -> Iterator[Panel]:
    """The panels of an image; of each mark, the last layer that computes all its tokens, and the mean of these."""
    yield Panel(f"{picture.group} {picture.name}")
    for name, places in [*seen.marked.items()][:MARKED]:
        layers = [layer for layer in seen.layers if {*places} <= {*layer.text.rows}]
        if layers:
            rows = [layers[-1].text.rows.index(place) for place in places]
            weights = layers[-1].text.weights[:, rows].mean((0, 1))
            yield Panel(
                f"{_short(layers[-1].text.kind)}: {name}, layer {layers[-1].layer}",
                HEAT,
                _grid(picture, number, seen, weights),
            )
    if shares := _shares(seen):
        layer, share = shares[-1]
        yield Panel(f"λ, layer {layer}, mean of heads", SHARE, _grid(picture, number, seen, share.mean(0)))


def _short(kind: str) -> str:
    return kind.partition(" (")[0]


def _shares(seen: PassLooks) -> list[tuple[int, Float[np.ndarray, "H V"]]]:
    """The layers that have a λ, with it."""
    sides = ((layer.layer, layer.images) for layer in seen.layers)
    return [(number, side.share) for number, side in sides if side is not None and side.share is not None]


def _grid(picture: Picture, number: int, seen: PassLooks, weights: Float[np.ndarray, " V"]) -> Float[np.ndarray, "R C"]:
    """Weights of image tokens at the patches of one of the images."""
    grid = np.zeros((picture.rows, picture.columns))
    for token, weight in zip(seen.visual, weights, strict=True):
        if token.image == number:
            grid[token.row, token.column] = weight
    return grid


def _overlay(axes: Axes, picture: Picture, panel: Panel) -> None:
    """Draws the image, paler under weights: as opaque as they are large beside 1 (shares), or beside the largest."""
    axes.axis("off")
    extent = (0, picture.columns, picture.rows, 0)
    if panel.weights is None:
        axes.imshow(picture.pixels, extent=extent, aspect="auto")
        return
    grey = picture.pixels.mean(-1, keepdims=True)
    axes.imshow(((picture.pixels + 2 * grey) / 3 / 255 * 0.7 + 0.3).clip(0, 1), extent=extent, aspect="auto")
    most = 1 if panel.colour == SHARE else max(float(panel.weights.max()), 1e-9)
    alpha = 0.85 * panel.weights / most
    colours = np.broadcast_to(panel.colour, (*alpha.shape, 3))
    axes.imshow(np.concatenate([colours, alpha[..., None]], -1), extent=extent, aspect="auto", interpolation="nearest")


def _numbers_block(one: Explanation, seen: PassLooks) -> Block:
    """λ by layer and head, beside what leaving parts out does to the first of the answers."""
    shares = _shares(seen)
    effects = [(effect.part, effect.after) for effect in one.effects[:PARTS]] if one.answers else []
    answers = [answer for answer in one.answers if answer.predicted][:ANSWERS]
    changes = [
        (one_line(f"{part}: {answer.name}" if len(answers) > 1 else part, 56), answer.probability, after[i])
        for part, after in effects
        for i, answer in enumerate(one.answers)
        if answer in answers
    ]
    height = max(0.7 + 0.3 * len(shares) if shares else 0, 0.55 + 0.24 * len(changes) if changes else 0)

    def drawn(sheet: Sheet, top: float) -> None:
        if shares:
            size = min(0.42 * len(shares[0][1]), 3.6), 0.3 * len(shares)
            _share_table(sheet.axes(EDGE + 0.6, top + 0.45, *size), shares)
            sheet.text(EDGE, top, "λ by layer and head, mean of image tokens", 9.0)
        if changes:
            left = EDGE + 7.6
            sheet.text(EDGE + 4.6, top, "left out: probability of what was predicted, before → after", 9.0)
            _changes(sheet.axes(left, top + 0.25, ROOM + EDGE - left - 1.0, 0.24 * len(changes)), changes)

    return Block(height, drawn)


def _share_table(axes: Axes, shares: Sequence[tuple[int, Float[np.ndarray, "H V"]]]) -> None:
    means = np.stack([share.mean(-1) for _, share in shares])
    axes.imshow(means, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(means.shape[1]), [str(head + 1) for head in range(means.shape[1])], size=7)
    axes.set_yticks(range(len(shares)), [f"layer {number}" for number, _ in shares], size=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(means):
        colour = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", size=7, ha="center", va="center", color=colour)


def _changes(axes: Axes, rows: Sequence[tuple[str, float, float]]) -> None:
    """A bar for each change of a probability."""
    places = range(len(rows))
    changes = [after - before for _, before, after in rows]
    axes.barh(places, changes, color=[FALLS if change < 0 else RISES for change in changes], height=0.7)
    axes.set(xlim=(-1.05, 1.05), ylim=(len(rows) - 0.5, -0.5))
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(places, [name for name, *_ in rows], size=8, family=fonts())
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for place, (_, before, after) in enumerate(rows):
        axes.text(1.1, place, f"{before:.3f} → {after:.3f}", size=8, va="center")
