"""Cards as a picture: the image that the model saw, what it was asked, and what it says, right and wrong apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.demo.cards import Answer, Card, Mark
from mkgc.app.files import atomic_write

COLOURS: dict[Mark, str] = {
    "": "#444444",
    "right": "#0a7d33",
    "wrong": "#c62828",
    "known": "#888888",
    "missed": "#b26a00",
}
WIDTH, SIDE, EDGE, LINE = 1000, 150, 16, 26
SIGN, GAP = 18, 22  # the room of a sign before an answer, and that behind it

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw(sections: Sequence[tuple[str, Sequence[Card]]], path: Path) -> None:
    """Writes a PNG of titled sections, whole or not at all."""
    sheet = Image.new("RGB", (WIDTH, 200 * sum(2 + len(cards) for _, cards in sections) + 400), "white")
    bottom = EDGE
    for title, cards in sections:
        ImageDraw.Draw(sheet).text((EDGE, bottom), title, "black", ImageFont.load_default(20))
        bottom += 36
        for card in cards:
            bottom = _card(sheet, card, bottom) + EDGE
    with atomic_write(path) as beside:
        sheet.crop((0, 0, WIDTH, bottom)).save(beside, "PNG")


def _card(sheet: Image.Image, card: Card, top: int) -> int:
    """Draws a card and returns where it ends."""
    with Image.open(card.image) as image:
        sheet.paste(image.convert("RGB").resize((SIDE, SIDE)), (EDGE, top))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
    left, y = EDGE + SIDE + 24, top + 2
    for text in _wrapped(card.question, font, WIDTH - EDGE - left):
        pen.text((left, y), text, "black", font)
        y += LINE
    for line in card.lines:
        y = _answers(pen, line, font, left, y)
    return max(y, top + SIDE)


def _answers(pen: ImageDraw.ImageDraw, line: Sequence[Answer], font: Font, left: int, y: int) -> int:
    """Draws answers beside one another as far as there is room, and returns where the next line begins."""
    x = left
    for text, mark in line:
        sign = SIGN if mark in ("right", "wrong", "missed") else 0
        parts = [*_wrapped(text, font, WIDTH - EDGE - left - sign)]
        if x > left and x + sign + font.getlength(text) > WIDTH - EDGE:
            x, y = left, y + LINE
        _sign(pen, mark, x, y)
        for i, part in enumerate(parts):
            y += LINE if i else 0
            pen.text((x + sign, y), part, COLOURS[mark], font)
        x += sign + int(font.getlength(parts[-1])) + GAP
    return y + LINE


def _sign(pen: ImageDraw.ImageDraw, mark: Mark, x: int, y: int) -> None:
    """A tick, a cross, or an arrow at what was missed; the font has none of them."""
    strokes = {
        "right": [[(1, 10), (5, 15), (12, 4)]],
        "wrong": [[(1, 5), (11, 15)], [(11, 5), (1, 15)]],
        "missed": [[(0, 10), (12, 10)], [(7, 5), (12, 10), (7, 15)]],
    }
    for stroke in strokes.get(mark, []):
        pen.line([(x + dx, y + dy) for dx, dy in stroke], COLOURS[mark], 2)


def _wrapped(text: str, font: Font, width: int) -> Iterator[str]:
    """The text in lines that are no wider, broken between words."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
