"""Simple pictures of what poems speak of, drawn by a seed, with keywords."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import cos, pi, sin
from random import Random
from typing import NamedTuple

from PIL import Image, ImageDraw

SIZE = 96
SHARPNESS = 2
"""Drawn at so many times the size, then reduced: edges become smooth."""
VARIANTS = 4
"""Pictures of each thing, which differ in their sky, place, size and number."""

SKIES = {"day": (190, 220, 240), "dusk": (245, 200, 160), "night": (30, 35, 75), "mist": (225, 228, 225)}
GREEN, DARK, WHITE, RED = (70, 140, 70), (60, 50, 45), (250, 250, 250), (205, 60, 60)


class Pen:
    """Draws on a picture with places and sizes as shares of it."""

    def __init__(self, sky: tuple[int, int, int]) -> None:
        side = SIZE * SHARPNESS
        self.image = Image.new("RGB", (side, side), sky)
        self._draw, self._side = ImageDraw.Draw(self.image), side

    def disc(self, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        box = [
            (x - radius) * self._side,
            (y - radius) * self._side,
            (x + radius) * self._side,
            (y + radius) * self._side,
        ]
        self._draw.ellipse(box, fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        self._draw.polygon([(x * self._side, y * self._side) for x, y in points], fill=colour)

    def line(self, points: list[tuple[float, float]], colour: tuple[int, int, int], width: float = 0.02) -> None:
        placed = [(x * self._side, y * self._side) for x, y in points]
        self._draw.line(placed, fill=colour, width=round(width * self._side), joint="curve")


Draw = Callable[[Pen, Random], None]


def _moon(pen: Pen, random: Random) -> None:
    x, y, radius = random.uniform(0.3, 0.7), random.uniform(0.25, 0.5), random.uniform(0.12, 0.22)
    pen.disc(x, y, radius, (250, 240, 190))


def _sun(pen: Pen, random: Random) -> None:
    x, y, radius = random.uniform(0.3, 0.7), random.uniform(0.3, 0.6), random.uniform(0.12, 0.18)
    pen.disc(x, y, radius, (235, 90, 50))
    for ray in range(12):
        angle = ray * pi / 6
        near, far = radius * 1.25, radius * 1.6
        ends = [(x + near * cos(angle), y + near * sin(angle)), (x + far * cos(angle), y + far * sin(angle))]
        pen.line(ends, (235, 90, 50))


def _mountains(pen: Pen, random: Random) -> None:
    for number in range(random.randint(2, 4)):
        x, height = random.uniform(0.1, 0.9), random.uniform(0.35, 0.65)
        shade = 70 + 35 * number
        pen.shape([(x - 0.4, 1.0), (x, 1 - height), (x + 0.4, 1.0)], (shade - 20, shade + 20, shade))


def _river(pen: Pen, random: Random) -> None:
    pen.shape([(0.0, 0.45), (1.0, 0.45), (1.0, 1.0), (0.0, 1.0)], (90, 140, 190))
    for row in range(5):
        y, shift = 0.52 + 0.09 * row, random.uniform(0, pi)
        waves = [(step / 20, y + 0.015 * sin(step + shift)) for step in range(21)]
        pen.line(waves, (190, 215, 235), 0.012)


def _flowers(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(3, 6)):
        x, y = random.uniform(0.15, 0.85), random.uniform(0.2, 0.7)
        pen.line([(x, y), (x, 1.0)], GREEN)
        for petal in range(5):
            angle = petal * 2 * pi / 5
            pen.disc(x + 0.055 * cos(angle), y + 0.055 * sin(angle), 0.045, (235, 120, 150))
        pen.disc(x, y, 0.035, (245, 210, 90))


def _trees(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        x = random.uniform(0.2, 0.8)
        pen.line([(x, 1.0), (x, 0.5)], DARK, 0.05)
        for _ in range(6):
            pen.disc(x + random.uniform(-0.15, 0.15), 0.4 + random.uniform(-0.15, 0.12), 0.11, GREEN)


def _willow(pen: Pen, random: Random) -> None:
    x = random.uniform(0.35, 0.65)
    pen.line([(x, 1.0), (x, 0.25)], DARK, 0.05)
    for _ in range(16):
        over, length = random.uniform(-0.35, 0.35), random.uniform(0.3, 0.6)
        pen.line([(x, 0.25), (x + over, 0.22), (x + over * 1.1, 0.22 + length)], (120, 170, 80), 0.015)


def _bamboo(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(3, 6)):
        x = random.uniform(0.1, 0.9)
        pen.line([(x, 1.0), (x, 0.0)], (90, 150, 80), 0.035)
        for knot in range(5):
            y = random.uniform(0.05, 0.2) + knot * 0.18
            pen.line([(x - 0.025, y), (x + 0.025, y)], (50, 100, 50))
            pen.shape([(x, y), (x + 0.16, y + 0.04), (x, y + 0.03)], GREEN)


def _boat(pen: Pen, random: Random) -> None:
    _river(pen, random)
    x = random.uniform(0.3, 0.7)
    pen.shape([(x - 0.2, 0.62), (x + 0.2, 0.62), (x + 0.13, 0.72), (x - 0.13, 0.72)], DARK)
    pen.shape([(x, 0.6), (x, 0.25), (x + 0.17, 0.58)], WHITE)


def _birds(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(2, 5)):
        _wings(pen, random.uniform(0.2, 0.8), random.uniform(0.2, 0.8), 0.1)


def _geese(pen: Pen, random: Random) -> None:
    x, y = random.uniform(0.4, 0.6), random.uniform(0.25, 0.4)
    for place in range(-3, 4):
        _wings(pen, x + 0.12 * place, y + 0.09 * abs(place), 0.05)


def _wings(pen: Pen, x: float, y: float, span: float) -> None:
    pen.line([(x - span, y - span / 2), (x, y), (x + span, y - span / 2)], DARK)


def _snow(pen: Pen, random: Random) -> None:
    pen.shape([(0.0, 0.75), (1.0, 0.7), (1.0, 1.0), (0.0, 1.0)], WHITE)
    for _ in range(45):
        pen.disc(random.random(), random.random(), random.uniform(0.01, 0.025), WHITE)


def _rain(pen: Pen, random: Random) -> None:
    _clouds(pen, random)
    for _ in range(40):
        x, y = random.random(), random.uniform(0.4, 0.95)
        pen.line([(x, y), (x - 0.03, y + 0.09)], (70, 100, 150), 0.012)


def _clouds(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(1, 3)):
        x, y = random.uniform(0.25, 0.75), random.uniform(0.15, 0.4)
        for puff in range(-2, 3):
            pen.disc(x + 0.09 * puff, y + random.uniform(-0.03, 0.03), 0.1, (240, 240, 245))


def _grass(pen: Pen, random: Random) -> None:
    for _ in range(60):
        x, height = random.random(), random.uniform(0.15, 0.45)
        pen.line([(x, 1.0), (x + random.uniform(-0.08, 0.08), 1 - height)], (90, 160, 70), 0.015)


def _wine(pen: Pen, random: Random) -> None:
    x = random.uniform(0.4, 0.6)
    pen.shape([(x - 0.2, 0.35), (x + 0.2, 0.35), (x + 0.08, 0.65), (x - 0.08, 0.65)], (170, 120, 70))
    pen.shape([(x - 0.17, 0.38), (x + 0.17, 0.38), (x + 0.14, 0.45), (x - 0.14, 0.45)], (150, 40, 60))
    pen.line([(x, 0.65), (x, 0.85)], (170, 120, 70), 0.05)
    pen.line([(x - 0.13, 0.86), (x + 0.13, 0.86)], (170, 120, 70), 0.04)


def _lamp(pen: Pen, random: Random) -> None:
    x = random.uniform(0.35, 0.65)
    pen.line([(x, 0.9), (x, 0.5)], RED, 0.1)
    pen.shape([(x - 0.07, 0.45), (x, 0.2), (x + 0.07, 0.45)], (250, 200, 80))


def _tower(pen: Pen, random: Random) -> None:
    x = random.uniform(0.4, 0.6)
    for storey in range(random.randint(2, 4)):
        y, half = 0.95 - 0.22 * storey, 0.28 - 0.05 * storey
        pen.shape(
            [(x - half * 0.7, y), (x + half * 0.7, y), (x + half * 0.7, y - 0.14), (x - half * 0.7, y - 0.14)], RED
        )
        pen.shape(
            [(x - half, y - 0.14), (x + half, y - 0.14), (x + half * 0.6, y - 0.22), (x - half * 0.6, y - 0.22)], DARK
        )


def _stars(pen: Pen, random: Random) -> None:
    for _ in range(random.randint(12, 25)):
        x, y, size = random.random(), random.random(), random.uniform(0.02, 0.05)
        points = [
            (x + r * cos(a), y + r * sin(a)) for a, r in ((n * pi / 4, size / (1 + 2 * (n % 2))) for n in range(8))
        ]
        pen.shape(points, (255, 245, 200))


class Thing(NamedTuple):
    """How something is drawn, under which skies, and its keywords."""

    draw: Draw
    skies: tuple[str, ...]
    keywords: tuple[str, ...]


THINGS: Mapping[str, Thing] = {
    "moon": Thing(_moon, ("night",), ("月", "明月", "夜", "天")),
    "sun": Thing(_sun, ("day", "dusk"), ("日", "白日", "夕阳", "天")),
    "mountains": Thing(_mountains, ("day", "mist", "dusk"), ("山", "青山", "远")),
    "river": Thing(_river, ("day", "mist", "dusk"), ("水", "江", "河", "流水")),
    "flowers": Thing(_flowers, ("day", "mist"), ("花", "桃花", "春", "红")),
    "trees": Thing(_trees, ("day", "dusk"), ("树", "林", "木", "绿")),
    "willow": Thing(_willow, ("day", "mist"), ("柳", "杨柳", "春", "绿")),
    "bamboo": Thing(_bamboo, ("day", "mist"), ("竹", "绿", "林")),
    "boat": Thing(_boat, ("day", "dusk", "mist"), ("舟", "船", "孤舟", "帆", "水")),
    "birds": Thing(_birds, ("day", "dusk"), ("鸟", "飞", "天")),
    "geese": Thing(_geese, ("dusk", "day"), ("雁", "归雁", "飞", "秋")),
    "snow": Thing(_snow, ("mist", "night"), ("雪", "寒", "白")),
    "rain": Thing(_rain, ("mist", "day"), ("雨", "云", "春")),
    "clouds": Thing(_clouds, ("day", "dusk"), ("云", "白云", "天")),
    "grass": Thing(_grass, ("day", "mist"), ("草", "绿", "春")),
    "wine": Thing(_wine, ("mist", "dusk"), ("酒", "杯", "醉")),
    "lamp": Thing(_lamp, ("night",), ("灯", "烛", "火", "夜")),
    "tower": Thing(_tower, ("day", "dusk"), ("楼", "高", "城")),
    "stars": Thing(_stars, ("night",), ("星", "夜", "天")),
}
"""What is drawn."""


def draw_pictures(random: Random) -> Iterator[tuple[str, Image.Image, tuple[str, ...]]]:
    """The name of each picture, itself, and its keywords."""
    for name, thing in THINGS.items():
        for number in range(1, VARIANTS + 1):
            pen = Pen(SKIES[thing.skies[number % len(thing.skies)]])
            thing.draw(pen, random)
            yield f"{name}_{number}", pen.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS), thing.keywords
