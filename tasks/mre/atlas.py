"""Sentences about two countries whose map alone says how they lie to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import numpy as np

from mkgc.data.atlas.draw import Land, draw_pair, extent
from mkgc.data.atlas.facts import Country, bearing
from mkgc.data.atlas.scene import describe, write_scenes

PREFIX = "/country/country/"
DIRECTIONS = {"east_of": 0, "north_of": 90, "west_of": 180, "south_of": -90}
"""Degrees counter-clockwise from east."""
LABELS = ("None", *(PREFIX + name for name in ("north_of", "south_of", "east_of", "west_of", "borders")))
COUNTS = {"train": 4000, "val": 500, "test": 500}
FILES = {"train": 0.7, "val": 0.15, "test": 0.15}

WHERE = (
    "{h} lies on this side of {t} .",
    "Seen from {t} , {h} lies over there .",
    "From {t} , travellers to {h} set out in this direction .",
    "The map shows where {h} is , as seen from {t} .",
    "To reach {h} from {t} , one goes this way .",
    "Beyond {t} , on the side shown here , lies {h} .",
    "{h} and where it lies from {t} .",
    "Where does {h} lie if one stands in {t} ?",
)
TOUCH = (
    "Look whether {h} and {t} touch .",
    "Do {h} and {t} share a frontier ?",
    "{h} and {t} may or may not be neighbours .",
    "Can one walk straight from {h} into {t} ?",
    "A common border of {h} and {t} , or none ?",
    "Is there a crossing between {t} and {h} ?",
    "Whether {t} meets {h} can be seen here .",
    "The map tells if {h} is next to {t} .",
)
"""No template gives its answer away; the first list asks for a direction, the second for a border."""


def direction(head: Country, tail: Country) -> str | None:
    """Where the head lies from the tail, by the middles of their boxes; None within 15 degrees of a diagonal."""
    angle = bearing(head, tail)
    for name, axis in DIRECTIONS.items():
        if abs((angle - axis + 180) % 360 - 180) < 30:
            return name
    return None


def gap(one: Country, other: Country) -> float:
    """The least distance of the two outlines' corners, in degrees."""
    a, b = extent(one), extent(other)
    return float(np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1).min()))


def candidates(countries: Sequence[Country]) -> dict[str, list[tuple[Country, Country]]]:
    """Ordered pairs for each label. Pairs without a border are near ones, so that distance does not tell."""
    pairs: dict[str, list[tuple[Country, Country]]] = {label: [] for label in LABELS}
    for head, tail in permutations(countries, 2):
        apart = float(np.abs(head.centre - tail.centre).max())
        where = direction(head, tail)
        if where and apart < 60:
            pairs[PREFIX + where].append((head, tail))
        if tail.code in head.borders:
            pairs[PREFIX + "borders"].append((head, tail))
        elif apart < 30 and 1 < gap(head, tail) < 12:
            pairs["None"].append((head, tail))
    return pairs


def split_countries(countries: Mapping[str, Country], random: Random) -> dict[str, list[Country]]:
    """Which countries each split may name; those without an outline, or as wide as the world, are left out."""
    usable = [c for c in countries.values() if c.rings and c.box[1][0] - c.box[0][0] < 100]
    random.shuffle(usable)
    out, start = {}, 0
    for split, share in FILES.items():
        end = len(usable) if split == "test" else start + round(share * len(usable))
        out[split], start = usable[start:end], end
    return out


def sentence(template: str, head: Country, tail: Country) -> tuple[list[str], list[int], list[int]]:
    """Tokens, and the half-open spans of head and tail."""
    tokens: list[str] = []
    spans = {}
    for word in template.split():
        country = {"{h}": head, "{t}": tail}.get(word)
        words = country.name.split() if country else [word]
        if country:
            spans[word] = [len(tokens), len(tokens) + len(words)]
        tokens += words
    return tokens, spans["{h}"], spans["{t}"]


def plan(countries: Sequence[Country], count: int, random: Random) -> list[tuple[str, Country, Country, str]]:
    """Templates, pairs and labels: two thirds ask for a direction, one for a border; labels in equal parts."""
    pairs = candidates(countries)
    decks: dict[str, list[tuple[Country, Country]]] = {label: [] for label in LABELS}
    out = []
    for i in range(count):
        label = LABELS[1:5][i % 4] if i % 3 else LABELS[(i // 3 % 2) * 5]
        if not decks[label]:  # all pairs once before any comes again
            decks[label] = random.sample(pairs[label], len(pairs[label]))
        template = random.choice(WHERE if i % 3 else TOUCH)
        out.append((template, *decks[label].pop(), label))
    random.shuffle(out)
    return out


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the data set in MNRE's layout, with the scene graphs of its maps."""
    (folder / "txt").mkdir(parents=True)
    (folder / "ours_rel2id.json").write_text(json.dumps({label: i for i, label in enumerate(LABELS)}))
    land, scenes = Land(countries.values()), {}
    for split, allowed in split_countries(countries, random).items():
        images = folder / "img_org" / split
        images.mkdir(parents=True)
        rows = []
        for template, head, tail, label in plan(allowed, COUNTS[split], random):
            tokens, h, t = sentence(template, head, tail)
            file = images / f"{head.code}_{tail.code}.png"
            if not file.exists():
                drawn = draw_pair(head, tail, land)
                drawn.draw_image().save(file)
                scenes[file.name] = describe(drawn)
            ends = {"h": {"name": head.name, "pos": h}, "t": {"name": tail.name, "pos": t}}
            rows.append(repr({"token": tokens, **ends, "img_id": file.name, "relation": label}))
        (folder / "txt" / f"ours_{split}.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_scenes(folder, scenes)
