"""The scene graphs of the Atlas' maps: what a detector would find in them, and nothing that the facts say beside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt32

from mkgc.data.atlas.draw import BLUE, DARK, RED, Colour, Map
from mkgc.data.formats.scene_graphs import FILE
from mkgc.data.scenes import Box

COLOURS = {RED: "red", BLUE: "blue"}

LANDS = 4
"""The largest countries that are not filled, beside those that are."""

LEAST = 0.02
"""The share of the map that such a country covers at least, by its box."""

Pixels = Bool[np.ndarray, "S S"]


class Found(NamedTuple):
    """An object with its box; of what is filled or dotted also its colour and its pixels."""

    name: str
    box: Box
    attributes: tuple[str, ...] = ()
    pixels: Pixels | None = None


def describe(drawn: Map) -> dict[str, Any]:
    """The scene graph of a map as it is read: filled countries, dots and the largest other lands, by their size.

    What is coloured stands to each other object left of, right of, above or below it, as their boxes' middles do, or in
    it; two that are coloured may touch.
    """
    pixels = np.asarray(drawn.image.convert("RGBX")).view(np.uint32)[..., 0]
    marked = [found for name, colour in drawn.marked if (found := _marked(pixels, drawn.scale, name, colour))]
    objects = sorted([*marked, *_lands(drawn)], key=lambda found: -_area(found.box))
    return {
        "objects": [
            {"name": found.name, "box": found.box} | ({"attributes": [*found.attributes]} if found.attributes else {})
            for found in objects
        ],
        "relations": [
            [i, predicate, j]
            for i, one in enumerate(objects)
            for j, other in enumerate(objects)
            if i != j and one.pixels is not None
            for predicate in _relations(one, other)
        ],
    }


def write_scenes(folder: Path, scenes: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the scene graphs of a data set by the names of its images."""
    lines = (json.dumps({"image": image, **scene}) + "\n" for image, scene in scenes.items())
    (folder / FILE).write_text("".join(lines), encoding="utf-8")


def _marked(drawing: UInt32[np.ndarray, "S S"], size: int, name: str, colour: Colour) -> Found | None:
    """What is filled or dotted in a colour; None if nothing of it is seen. Pixels are numbers: one comparison each."""
    pixels = (drawing == _packed(colour)) | (drawing == _packed(DARK[colour]))
    if not pixels.any():
        return None
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    box = _box((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), size)
    return Found(name, box, (COLOURS[colour],), pixels)


def _packed(colour: Colour) -> np.uint32:
    """A colour as the number that its pixel is, of which the fourth byte is full."""
    return np.array([*colour, 255], np.uint8).view(np.uint32)[0]


def _lands(drawn: Map) -> list[Found]:
    """The largest countries that are not filled, by what of their outlines lies inside the map."""
    if drawn.land is None:
        return []
    filled = {id(ring) for ring in drawn.filled}
    rings = [i for i in drawn.land.inside(drawn.window) if id(drawn.land.rings[i]) not in filled]
    corners = (drawn.window.place(ends[rings], drawn.scale) for ends in (drawn.land.low, drawn.land.high))
    (left, bottom), (right, top) = (ends.clip(0, drawn.scale).T.tolist() for ends in corners)
    ends = zip(left, top, right, bottom, strict=True)
    boxes = [_box(end, drawn.scale) for end in ends if end[0] < end[2] and end[1] < end[3]]
    large = sorted((box for box in boxes if _area(box) >= LEAST), key=lambda box: (-_area(box), box))
    return [Found("country", box) for box in large[:LANDS]]


def _box(sides: Iterable[Any], size: int) -> Box:
    left, top, right, bottom = (round(float(side) / size, 3) for side in sides)
    return left, top, right, bottom


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def _relations(one: Found, other: Found) -> list[str]:
    """How a coloured object stands to another one."""
    if one.pixels is not None and other.pixels is not None:
        return [_side(one.box, other.box), *(["touches"] if _touch(one.pixels, other.pixels) else [])]
    inside = all(a >= b for a, b in zip(one.box[:2], other.box[:2], strict=True)) and all(
        a <= b for a, b in zip(one.box[2:], other.box[2:], strict=True)
    )
    return ["in" if inside else _side(one.box, other.box)]


def _side(one: Box, other: Box) -> str:
    right, down = ((one[i] + one[i + 2] - other[i] - other[i + 2]) / 2 for i in (0, 1))
    if abs(right) > abs(down):
        return "right of" if right > 0 else "left of"
    return "below" if down > 0 else "above"


def _touch(one: Pixels, other: Pixels) -> bool:
    """Whether there are pixels of both within a pixel of each other."""
    return bool((_widened(_widened(one).T).T & other).any())


def _widened(pixels: Pixels, by: int = 2) -> Pixels:
    """Pixels with what lies above and below them."""
    padded = np.pad(pixels, ((by, by), (0, 0)))
    shifted = [padded[i : i + len(pixels)] for i in range(2 * by + 1)]
    return np.logical_or.reduce(shifted)
