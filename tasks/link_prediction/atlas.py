"""The graph itself: countries, capitals, languages, currencies, regions and time zones, and who relates to whom."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from mkgc.data.atlas.draw import RED, WORLD, Land, Map, Window
from mkgc.data.atlas.facts import Country, currency_names, language_names
from mkgc.data.atlas.rows import write_rows

Triple = tuple[str, str, str]

RELATIONS = {
    "borders": "shares a border with",
    "capital_of": "is the capital of",
    "has_capital": "has the capital",
    "speaks": "speaks the language",
    "spoken_in": "is spoken in",
    "uses_currency": "uses the currency",
    "currency_of": "is the currency of",
    "in_region": "lies in the region",
    "region_of": "is the region of",
    "in_subregion": "lies in the subregion",
    "subregion_of": "is the subregion of",
    "in_time_zone": "lies in the time zone",
    "time_zone_of": "is the time zone of",
}
LOCATION = ("borders", "in_region", "in_subregion", "in_time_zone")
"""Relations that a country's place on the map says something about."""


@dataclass
class World:
    """Entities with their names and their country, if they are one, and all triples."""

    names: dict[str, str] = field(default_factory=dict)
    countries: dict[str, Country] = field(default_factory=dict)
    triples: list[Triple] = field(default_factory=list)

    def relate(self, head: str, forth: str, tail: str, back: str) -> None:
        """Adds a triple and its inverse."""
        self.triples += [(head, forth, tail), (tail, back, head)]


def slug(text: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^\w:+-]+", "_", text)


def world(countries: Mapping[str, Country]) -> World:
    """The whole graph, in a fixed order."""
    out, languages, currencies = World(), language_names(), currency_names()

    def entity(kind: str, key: str, name: str) -> str:
        out.names[f"{kind}/{key}"] = name
        return f"{kind}/{key}"

    for code, country in countries.items():
        me = entity("country", code, country.name)
        out.countries[me] = country
        out.triples += [(me, "borders", f"country/{other}") for other in country.borders]
        if country.capital:
            city = entity("city", slug(country.capital), country.capital)
            out.relate(me, "has_capital", city, "capital_of")
        for key in country.languages:
            out.relate(me, "speaks", entity("language", key, languages[key]), "spoken_in")
        for key in country.currencies:
            out.relate(me, "uses_currency", entity("currency", key, currencies[key]), "currency_of")
        if country.region:
            out.relate(me, "in_region", entity("region", slug(country.region), country.region), "region_of")
        if country.subregion:
            part = entity("subregion", slug(country.subregion), country.subregion)
            out.relate(me, "in_subregion", part, "subregion_of")
        for zone in country.zones:
            out.relate(me, "in_time_zone", entity("zone", zone, zone), "time_zone_of")
    return out


def split(whole: World, random: Random) -> dict[str, list[Triple]]:
    """Dev and test get all location facts of some countries with a map, and a share of all other pairs.

    A pair of entities is in one split only, whichever relations and directions it has: no split holds the inverse of
    another's triple. What would leave an entity without a training triple stays in train.
    """
    by_pair: dict[tuple[str, str], list[Triple]] = defaultdict(list)
    for head, relation, tail in dict.fromkeys(whole.triples):
        by_pair[min(head, tail), max(head, tail)].append((head, relation, tail))
    drawn = [c for c, country in whole.countries.items() if country.rings]
    random.shuffle(drawn)
    held = {country: "dev" if i % 2 else "test" for i, country in enumerate(drawn[: len(drawn) // 4])}
    degree: dict[str, int] = defaultdict(int)
    for one, other in by_pair:
        degree[one] += 1
        degree[other] += 1
    out: dict[str, list[Triple]] = {"train": [], "dev": [], "test": []}
    pairs = list(by_pair)
    random.shuffle(pairs)
    for pair in pairs:
        wanted = _wanted(by_pair[pair], held, random)
        if wanted != "train" and min(degree[pair[0]], degree[pair[1]]) < 2:
            wanted = "train"
        if wanted != "train":
            degree[pair[0]] -= 1
            degree[pair[1]] -= 1
        out[wanted] += by_pair[pair]
    return {name: sorted(part) for name, part in out.items()}


def _wanted(triples: Sequence[Triple], held: Mapping[str, str], random: Random) -> str:
    """The split a pair should go to: with its held-out country if it says where that lies, else mostly train."""
    draw = random.random()
    for head, relation, _ in triples:
        if relation in LOCATION and head in held:
            return held[head]
    return "dev" if draw < 0.03 else "test" if draw < 0.06 else "train"


def describe(entity: str, whole: World) -> str:
    """The description of an entity: its kind, and of a country facts that are no triples.

    A description that repeated triples would hold the answers of the training queries and none of the others: a model
    would learn to copy, not to look.
    """
    said = [f"{whole.names[entity]} is a {entity.split('/')[0]} ."]
    if country := whole.countries.get(entity):
        said += [f"It covers {country.area:.0f} square kilometres ."] if country.area else []
        said += [f"About {country.population} people live there ."] if country.population else []
        said += [f"It is called {country.native} there ."] if country.native else []
        said += [f"In Chinese it is {country.chinese} ."] if country.chinese else []
    return " ".join(said)


def locator(country: Country, land: Land) -> Map:
    """The world with the country filled and circled."""
    drawn = Map(WORLD, land)
    drawn.fill(country, RED)
    drawn.ring(tuple(country.centre), RED, 0.05)
    return drawn


def outline(country: Country) -> Map:
    """The country alone, at its own scale."""
    drawn = Map(Window.around(np.concatenate(country.mainland), least=0.1), None)
    drawn.fill(country, RED)
    return drawn


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the graph in FB15k-237-IMG's layout, and which triples the map says something about."""
    folder.mkdir(parents=True)
    whole = world(countries)
    splits = split(whole, random)
    for name, part in splits.items():
        write_rows(folder / f"{name}.tsv", part)
    texts = [(entity, describe(entity, whole)) for entity in whole.names]
    write_rows(folder / "entities.txt", [(entity,) for entity in whole.names])
    write_rows(folder / "relations.txt", [(relation,) for relation in RELATIONS])
    write_rows(folder / "entity2text.txt", list(whole.names.items()))
    write_rows(folder / "entity2textlong.txt", texts)
    write_rows(folder / "relation2text.txt", list(RELATIONS.items()))
    decided = [
        (name, *triple)
        for name in ("dev", "test")
        for triple in splits[name]
        if triple[1] in LOCATION and whole.countries[triple[0]].rings
    ]
    write_rows(folder / "image_decides.tsv", decided)
    land = Land(countries.values())
    for entity, country in whole.countries.items():
        if country.rings:
            place = folder / "images" / entity.replace("/", ".")
            place.mkdir(parents=True)
            locator(country, land).draw_image().save(place / "locator.png")
            outline(country).draw_image().save(place / "outline.png")
