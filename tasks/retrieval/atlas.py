"""Maps of two countries with captions in Chinese and English: their names, where they lie, and who borders whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from mkgc.data.atlas.draw import Land, draw_pair
from mkgc.data.atlas.facts import Country, bearing
from mkgc.data.atlas.linked import LANGUAGES, LinkedWorld, linked_world
from mkgc.data.atlas.linked_text import write_records

COUNTS = {"train": 2000, "dev": 250, "test": 250}
"""Maps of each split; each has three captions in either language."""

NEAR = 30
"""Degrees between the middles of two countries that one map shows, at most."""

DIRECTIONS = {
    "en": ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east"),
    "zh": ("东", "东北", "北", "西北", "西", "西南", "南", "东南"),
}
"""Eighths of a circle, counter-clockwise from the one around east."""

WHERE = {
    "en": (
        "{h}, in red, lies {d} of {t}, in blue.",
        "A map of {t} in blue and, {d} of it, {h} in red.",
        "From blue {t}, one travels {d} to red {h}.",
        "The red country {d} of {t} is {h}.",
    ),
    "zh": (
        "红色的{h}在蓝色的{t}的{d}方。",
        "地图上蓝色的是{t}，它{d}面红色的是{h}。",
        "从蓝色的{t}向{d}走，就到红色的{h}。",
        "{t}{d}方的红色国家是{h}。",
    ),
}

BORDERS = {
    "en": ("{h} and {t} share a border.", "{h} borders {t}.", "{t} is a neighbour of {h}."),
    "zh": ("{h}和{t}接壤。", "{h}与{t}有共同的边界。", "{t}是{h}的邻国。"),
}

BETWEEN = {
    "en": ("{h} and {t} do not touch, but both border {x}.", "{x} borders both {h} and {t}, which do not touch."),
    "zh": ("{h}和{t}不接壤，但都与{x}接壤。", "{x}与{h}和{t}都接壤，这两国并不接壤。"),
}

APART = {
    "en": ("{h} and {t} have no border in common.", "{h} does not touch {t}."),
    "zh": ("{h}和{t}不接壤。", "{h}与{t}没有共同的边界。"),
}

REGION = {"en": "The country in red is {h}, in {r}.", "zh": "红色的国家是位于{r}的{h}。"}
"""One sentence for each country: it fits every map on which that is red, and is a caption of each."""


class MapPair(NamedTuple):
    """Two countries of one map: the head is red, the tail blue."""

    head: Country
    tail: Country

    @property
    def name(self) -> str:
        """What tells the map from others."""
        return f"{self.head.code}_{self.tail.code}"


def near_pairs(countries: Mapping[str, Country], random: Random) -> list[MapPair]:
    """Countries that lie near each other, each two once, in random order and with either in red.

    Without an outline a country is left out, and as wide as the world, and without a Chinese name.
    """
    usable = [c for c in countries.values() if c.rings and c.chinese and c.box[1][0] - c.box[0][0] < 100]
    near = [pair for pair in combinations(usable, 2) if np.abs(pair[0].centre - pair[1].centre).max() < NEAR]
    random.shuffle(near)
    return [MapPair(*random.sample(pair, 2)) for pair in near]


def split_pairs(pairs: Sequence[MapPair]) -> dict[str, list[MapPair]]:
    """The maps of each split: dev and test show pairs that train does not, of countries that it shows."""
    train, rest = pairs[: COUNTS["train"]], pairs[COUNTS["train"] :]
    red, blue = ({pair[colour].code for pair in train} for colour in (0, 1))
    known = [pair for pair in rest if pair.head.code in red and pair.tail.code in blue]
    end = COUNTS["dev"] + COUNTS["test"]
    return {"train": [*train], "dev": known[: COUNTS["dev"]], "test": known[COUNTS["dev"] : end]}


def captions(pair: MapPair, world: LinkedWorld, language: str, random: Random) -> list[str]:
    """How the head lies to the tail, whether they are neighbours, and where on earth the head is."""
    slots = {slot: _name(world, country.code, language) for slot, country in zip("ht", pair, strict=True)}
    slots["d"] = DIRECTIONS[language][round(bearing(*pair) / 45) % 8]
    neighbours = BORDERS[language] if pair.tail.code in pair.head.borders else APART[language]
    shared = sorted({*pair.head.borders} & {*pair.tail.borders})
    if between := [code for code in shared if f"country/{code}" in world.entities]:
        slots["x"] = _name(world, random.choice(between), language)
        neighbours = neighbours if pair.tail.code in pair.head.borders else BETWEEN[language]
    slots["r"] = _subregion(world, pair.head.code, language)
    templates = (random.choice(WHERE[language]), random.choice(neighbours), REGION[language])
    return [template.format(**slots) for template in templates]


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the data set as people write their own (`data=jsonl`), with the captions of each language."""
    (folder / "images").mkdir(parents=True)
    world, land = linked_world(countries), Land(countries.values())
    for split, pairs in split_pairs(near_pairs(countries, random)).items():
        records = []
        for pair in pairs:
            image = f"images/{pair.name}.png"
            draw_pair(*pair, land).draw_image().save(folder / image)
            texts = {language: captions(pair, world, language, random) for language in LANGUAGES}
            records.append({"id": pair.name, "image": image, "texts": texts})
        write_records(folder / f"{split}.jsonl", records)


def _name(world: LinkedWorld, code: str, language: str) -> str:
    return world.entities[f"country/{code}"].names[language]


def _subregion(world: LinkedWorld, code: str, language: str) -> str:
    return next(
        world.entities[tail].names[language]
        for tail in world.neighbours[f"country/{code}"]
        if world.entities[tail].kind == "subregion"
    )
