"""Maps: a window of the world, drawn flat, with countries filled and places dotted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from mkgc.data.atlas.facts import Country, Ring

SIZE = 96
SHARPNESS = 2
"""Drawn at so many times the size, then reduced: edges become smooth."""
SEA, LAND, FRONTIER = (214, 232, 245), (232, 232, 226), (190, 190, 186)
Colour = tuple[int, int, int]
RED, BLUE = (220, 40, 40), (40, 90, 220)
DARK = {RED: (120, 10, 10), BLUE: (20, 40, 120)}


@dataclass(frozen=True)
class Window:
    """A square part of the world: its middle in degrees, and its height in degrees of latitude.

    ``squeeze`` is how much narrower a degree of longitude is drawn than one of latitude.
    """

    longitude: float
    latitude: float
    height: float
    squeeze: float

    @classmethod
    def around(cls, points: np.ndarray, margin: float = 1.15, least: float = 4.0) -> Window:
        """The smallest window that holds the points with a margin around them."""
        low, high = points.min(0), points.max(0)
        longitude, latitude = ((low + high) / 2).tolist()
        squeeze = _narrowing(latitude)
        height = float(max((high[0] - low[0]) * squeeze, high[1] - low[1])) * margin
        return cls(longitude, latitude, max(height, least), squeeze)

    def place(self, points: np.ndarray, size: int) -> np.ndarray:
        """Pixels of longitudes and latitudes."""
        x = (points[:, 0] - self.longitude) * self.squeeze / self.height + 0.5
        y = (self.latitude - points[:, 1]) / self.height + 0.5
        return np.stack([x, y], 1) * size

    @property
    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """South-western and north-eastern corner."""
        middle = np.array([self.longitude, self.latitude])
        half = np.array([self.height / self.squeeze, self.height]) / 2
        return middle - half, middle + half


WORLD = Window(10.0, 12.0, 150.0, squeeze=150 / 345)
"""All of it but the poles, stretched to a square."""


class Land:
    """The outlines of all countries, with their boxes, so that a window is drawn without what lies outside."""

    def __init__(self, countries: Iterable[Country]) -> None:
        self.rings = [ring for country in countries for ring in country.rings]
        self.low = np.array([ring.min(0) for ring in self.rings])
        self.high = np.array([ring.max(0) for ring in self.rings])

    def inside(self, window: Window) -> list[int]:
        """The rings, by number, of which some part may lie inside."""
        low, high = window.corners
        return np.flatnonzero((self.high > low).all(1) & (self.low < high).all(1)).tolist()


class Map:
    """An image of a window; what is filled last lies on top.

    ``marked`` are the kinds and colours of what was filled or dotted, ``filled`` the outlines among them.
    """

    def __init__(self, window: Window, land: Land | None, size: int = SIZE) -> None:
        self.window, self.land, self.size, self.scale = window, land, size, size * SHARPNESS
        self.marked: list[tuple[str, Colour]] = []
        self.filled: list[Ring] = []
        self.image = Image.new("RGB", (self.scale, self.scale), SEA)
        self.brush = ImageDraw.Draw(self.image)
        self._draw([land.rings[i] for i in land.inside(window)] if land else [], LAND, FRONTIER)

    def _draw(self, rings: Sequence[Ring], colour: Colour, edge: Colour) -> None:
        if not rings:
            return
        points = self.window.place(np.concatenate(rings), self.scale)  # one call for hundreds of short outlines
        for pixels in np.split(points, np.cumsum([len(ring) for ring in rings[:-1]])):
            self.brush.polygon(pixels.ravel().tolist(), fill=colour, outline=edge)

    def fill(self, country: Country, colour: Colour) -> None:
        """Fills a country; one without an outline is a disc of its own area around its capital."""
        rings = country.rings or (_disc(country),)
        self._draw(rings, colour, DARK[colour])
        self.marked.append(("country", colour))
        self.filled += rings

    def dot(self, at: tuple[float, float], colour: Colour, radius: float = 0.035) -> None:
        """A dot; the radius is a share of the image's height."""
        x, y = self.window.place(np.array([at]), self.scale)[0]
        r = radius * self.scale
        self.brush.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline=(255, 255, 255), width=SHARPNESS)
        self.marked.append(("dot", colour))

    def ring(self, at: tuple[float, float], colour: Colour, radius: float) -> None:
        """A circle around a place, so that the smallest country is found."""
        x, y = self.window.place(np.array([at]), self.scale)[0]
        r = radius * self.scale
        self.brush.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=2 * SHARPNESS)

    def draw_image(self) -> Image.Image:
        """The finished image."""
        return self.image.resize((self.size, self.size), Image.Resampling.BOX)


@cache
def _angles() -> np.ndarray:
    turn = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], 1)


def _narrowing(latitude: float) -> float:
    return max(math.cos(math.radians(latitude)), 0.2)


def _disc(country: Country) -> Ring:
    """A disc of the country's area; a degree of latitude is 111 km."""
    radius = math.sqrt(max(country.area, 1.0) / math.pi) / 111
    longitude, latitude = country.capital_at or (0.0, 0.0)
    stretch = np.array([1 / _narrowing(latitude), 1.0])
    return np.array([longitude, latitude]) + _angles() * radius * stretch


def extent(country: Country) -> np.ndarray:
    """Points that a map of the country has to hold: its mainland, or its disc."""
    return np.concatenate(country.mainland) if country.rings else _disc(country)


def draw_pair(head: Country, tail: Country, land: Land) -> Map:
    """The head in red and the tail in blue, zoomed to hold both."""
    drawn = Map(Window.around(np.concatenate([extent(head), extent(tail)])), land)
    drawn.fill(tail, BLUE)
    drawn.fill(head, RED)
    return drawn
