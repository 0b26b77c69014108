"""Sentences that mention countries, cities, languages and currencies; some names only the map can tell apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from mkgc.data.atlas.draw import RED, Land, Map, Window, extent
from mkgc.data.atlas.facts import Country, currency_names, language_names
from mkgc.data.atlas.scene import describe, write_scenes

COUNTS = {"train": 3000, "valid": 400, "test": 400}

NEUTRAL = (
    "We talked about {place} all evening .",
    "My sister came back from {place} yesterday .",
    "{place} is what everyone remembers of the trip .",
    "He has always wanted to see {place} .",
    "I have never been to {place} .",
    "Nothing reminds me of home like {place} .",
    "They left {place} a long time ago .",
    "{place} looked different this spring .",
    "The film begins in {place} .",
    "A letter from {place} arrived this morning .",
    "She writes about {place} every week .",
    "What do you know about {place} ?",
    "{place} , again .",
    "Have you found {place} on the map ?",
)
"""A country or a city may stand here: the words do not say which."""

TELLING = (
    "The capital of {country} is {city} .",
    "{city} is the seat of government of {country} .",
    "In {country} people speak {language} .",
    "{language} is one of the languages of {country} .",
    "The {currency} is the money of {country} .",
    "He paid in {city} with the {currency} .",
    "She learned {language} in {city} .",
    "The streets of {city} were empty .",
    "The mayor of {city} spoke first .",
    "The borders of {country} were drawn late .",
    "The army of {country} stayed at home .",
    "One {currency} buys little today .",
    "The book was translated into {language} .",
    "Shops in {country} take only the {currency} .",
    "The bus from {city} crosses all of {country} .",
)
"""Words, or names seen elsewhere, say what is what."""


@dataclass(frozen=True)
class Place:
    """A name for a country or its capital, and what it means here."""

    name: str
    country: Country
    kind: str


def shared_names(countries: Mapping[str, Country]) -> dict[str, Country]:
    """Names that a country and its capital have in common; capitals called "X City" are often just X in speech."""
    pairs = ((country.capital.removesuffix(" City"), country) for country in countries.values())
    return {name: country for name, country in pairs if name == country.name}


def draw_country(country: Country, land: Land, random: Random) -> Map:
    """The country filled, in a window of its own size or up to three times as large."""
    drawn = Map(_window(extent(country), random.uniform(1.3, 3.0), random), land)
    drawn.fill(country, RED)
    return drawn


def draw_city(country: Country, land: Land, random: Random) -> Map:
    """A dot at the capital, the country blank, in the same kind of window."""
    drawn = Map(_window(extent(country), random.uniform(1.3, 3.0), random), land)
    drawn.dot(country.capital_at or tuple(country.centre), RED)
    return drawn


def _window(points: np.ndarray, margin: float, random: Random) -> Window:
    window = Window.around(points, margin, least=0.2)
    spare = (margin - 1) / margin / 3 * window.height
    east, north = random.uniform(-spare, spare) / window.squeeze, random.uniform(-spare, spare)
    return replace(window, longitude=window.longitude + east, latitude=window.latitude + north)


def _tagged(template: str, names: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """Tokens with BIO tags; ``names`` gives each slot its words and its type."""
    rows: list[tuple[str, str]] = []
    for word in template.split():
        if word.strip("{}") not in names or not word.startswith("{"):
            rows.append((word, "O"))
            continue
        text, kind = names[word.strip("{}")]
        rows += [(part, f"{'I' if i else 'B'}-{kind}") for i, part in enumerate(text.split())]
    return rows


Draft = tuple[list[tuple[str, str]], Callable[[Random], Map], bool]
"""Tagged tokens, how to draw their image, and whether only the image decides."""


class Author:
    """Writes sentences about some countries of the world."""

    def __init__(self, told: Sequence[Country], shared: Mapping[str, Country], land: Land, random: Random) -> None:
        self.told = [c for c in told if c.capital and c.capital_at and c.rings]
        self.shared, self.land, self.random = shared, land, random
        self.languages, self.currencies = language_names(), currency_names()
        self.neutral = 0

    def write(self, number: int) -> Draft:
        """Two sentences that do not tell, then one that does."""
        return self._neutral() if number % 3 else self._telling()

    def _neutral(self) -> Draft:
        """Every second name is one that country and capital share; both meanings come equally often."""
        self.neutral += 1
        city = self.random.random() < 0.5
        if self.neutral % 2 == 0:
            name, country = self.random.choice(sorted(self.shared.items(), key=lambda pair: pair[0]))
        else:
            country = self.random.choice(self.told)
            name = country.capital if city else country.name
        rows = _tagged(self.random.choice(NEUTRAL), {"place": (name, "CITY" if city else "COUNTRY")})
        draw = draw_city if city else draw_country
        return rows, lambda random: draw(country, self.land, random), True

    def _telling(self) -> Draft:
        template = self.random.choice(TELLING)
        able = [c for c in self.told if c.languages and c.currencies]
        country = self.random.choice(able)
        names = {
            "country": (country.name, "COUNTRY"),
            "city": (country.capital, "CITY"),
            "language": (self.languages[self.random.choice(country.languages)], "LANGUAGE"),
            "currency": (self.currencies[self.random.choice(country.currencies)], "CURRENCY"),
        }
        draw = draw_country if self.random.random() < 0.5 else draw_city
        return _tagged(template, names), lambda random: draw(country, self.land, random), False


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the data set in the Twitter layout, with scene graphs, and which sentences only the image decides."""
    (folder / "images").mkdir(parents=True)
    land = Land(countries.values())
    everyone = sorted(countries.values(), key=lambda c: c.code)
    random.shuffle(everyone)
    shares = {"train": everyone[:150], "valid": everyone[150:200], "test": everyone[200:]}
    number, decided, scenes = 0, [], {}
    for split, count in COUNTS.items():
        author = Author(shares[split], shared_names(countries), land, random)
        blocks = []
        for i in range(count):
            rows, draw, by_image = author.write(i)
            number += 1
            drawn = draw(random)
            drawn.draw_image().save(folder / "images" / f"{number}.png")
            scenes[f"{number}.png"] = describe(drawn)
            blocks.append(f"IMGID:{number}\n" + "".join(f"{word}\t{tag}\n" for word, tag in rows))
            decided += [f"{split}\t{number}\n"] if by_image else []
        (folder / f"{split}.txt").write_text("\n".join(blocks) + "\n", encoding="utf-8")
    (folder / "image_decides.txt").write_text("".join(decided))
    write_scenes(folder, scenes)
