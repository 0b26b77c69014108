"""The Atlas as a graph with Chinese and English names: what text about countries is linked to.

Languages with their status, currencies of today and of former times, and all Chinese names are Unicode CLDR's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from babel import Locale
from babel.core import get_global

from mkgc.data.atlas.facts import Country
from mkgc.data.atlas.rows import write_rows

LANGUAGES = ("en", "zh")

RELATIONS = {
    "borders": ("borders", "接壤"),
    "capital": ("capital", "首都"),
    "official_language": ("official language", "官方语言"),
    "regional_language": ("language that is official in a region", "地区官方语言"),
    "spoken_language": ("spoken language", "使用的语言"),
    "currency": ("currency", "货币"),
    "former_currency": ("former currency", "曾用货币"),
    "in_region": ("lies in the region", "所在大洲"),
    "in_subregion": ("lies in the subregion", "所在地区"),
}
"""Relations with their English and Chinese names; heads are countries."""

STATUS = {
    "official": "official_language",
    "de_facto_official": "official_language",
    "official_regional": "regional_language",
    None: "spoken_language",
}
"""CLDR's status of a language in a territory."""

M49 = {
    "Latin America and the Caribbean": "419",
    "South-eastern Asia": "035",
    "Australia and New Zealand": "053",
    "Micronesia": "057",
}
"""Regions that CLDR calls otherwise, by the United Nations' codes."""


@dataclass(frozen=True)
class Entity:
    """A thing with a name in each of :data:`LANGUAGES`, empty where CLDR has none; ``aliases`` are further names."""

    id: str
    names: Mapping[str, str]
    aliases: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What it is: country, city, language, currency, region or subregion."""
        return self.id.partition("/")[0]


@dataclass(frozen=True)
class LinkedWorld:
    """Entities by their ids, and the relations of each pair of them that has some, the country in front."""

    entities: Mapping[str, Entity]
    relations: Mapping[tuple[str, str], tuple[str, ...]]

    @cached_property
    def neighbours(self) -> Mapping[str, Sequence[str]]:
        """What each entity is linked to in either direction, in a fixed order."""
        out: dict[str, dict[str, None]] = {one: {} for one in self.entities}
        for head, tail in self.relations:
            out[head][tail] = out[tail][head] = None
        return {one: tuple(others) for one, others in out.items()}


def linked_world(countries: Mapping[str, Country]) -> LinkedWorld:
    """The graph of all countries that CLDR names, in a fixed order."""
    entities: dict[str, Entity] = {}
    relations: dict[tuple[str, str], tuple[str, ...]] = {}
    known = {code: country for code, country in countries.items() if country.chinese}
    for code, country in known.items():
        entities[f"country/{code}"] = _country(country)
    for code, country in known.items():
        borders = ((entities[f"country/{other}"], "borders") for other in country.borders if other in known)
        for entity, relation in (*borders, *_facts(country)):
            entities.setdefault(entity.id, entity)
            pair = (f"country/{code}", entity.id)
            relations[pair] = (*relations.get(pair, ()), relation)
    return LinkedWorld(entities, relations)


def write_graph(folder: Path, world: LinkedWorld) -> None:
    """Writes the graph as people write their own (`data=triples`): triples in one file, tables of names and types."""
    folder.mkdir(parents=True)
    titles = ("id", *(f"name:{language}" for language in LANGUAGES))
    named = [
        (one.id, *(one.names[each] for each in LANGUAGES), "|".join(one.aliases)) for one in world.entities.values()
    ]
    write_rows(folder / "entities.tsv", [(*titles, "aliases"), *named])
    write_rows(folder / "relations.tsv", [titles, *((relation, *names) for relation, names in RELATIONS.items())])
    write_rows(folder / "types.tsv", [(one.id, one.kind) for one in world.entities.values()])
    triples = [(head, relation, tail) for (head, tail), found in world.relations.items() for relation in found]
    write_rows(folder / "triples.tsv", triples)


def _country(country: Country) -> Entity:
    formal = _locale("en").territories[country.code]
    aliases = [name for name in (formal, country.native) if name and name != country.name]
    return Entity(f"country/{country.code}", {"en": country.name, "zh": country.chinese}, tuple(dict.fromkeys(aliases)))


def _facts(country: Country) -> Iterator[tuple[Entity, str]]:
    """What a country is linked to, other than its neighbours."""
    if country.capital:
        city = country.capital
        yield Entity(f"city/{_slug(city)}", {"en": city, "zh": _cities().get(city, "")}), "capital"
    for kind, name in (("region", country.region), ("subregion", country.subregion)):
        if name:
            code = M49.get(name) or _regions()[name]
            yield Entity(f"{kind}/{code}", _names("territories", code)), f"in_{kind}"
    for key, status in get_global("territory_languages").get(country.code, {}).items():
        if all(_names("languages", key).values()):
            yield Entity(f"language/{key}", _names("languages", key)), STATUS[status["official_status"]]
    for key, relation in _currencies(country.code).items():
        if all(_names("currencies", key).values()):
            yield Entity(f"currency/{key}", _names("currencies", key)), relation


def _currencies(code: str) -> dict[str, str]:
    """Legal tender of a country by code, that of today last said. (CLDR: code, from, to, whether it is tender.)"""
    listed = get_global("territory_currencies").get(code, ())
    former = {key: "former_currency" for key, _, end, tender in listed if tender and end is not None}
    return former | {key: "currency" for key, _, end, tender in listed if tender and end is None}


def _names(table: str, key: str) -> dict[str, str]:
    """Names that stand in a sentence as they are: none with an explanation in brackets, such as years of a currency."""
    found = {language: str(getattr(_locale(language), table).get(key, "")) for language in LANGUAGES}
    return {language: "" if re.search(r"[(（]", name) else name for language, name in found.items()}


@cache
def _locale(language: str) -> Locale:
    return Locale(language)


@cache
def _regions() -> dict[str, str]:
    return {name: code for code, name in _locale("en").territories.items() if code.isdigit()}


@cache
def _cities() -> dict[str, str]:
    """Chinese names of cities after which time zones are called, by their English ones."""
    english, chinese = (_locale(language).time_zones for language in LANGUAGES)
    found = {}
    for zone, names in chinese.items():
        if "city" in names:
            own = english.get(zone, {})
            found[own["city"] if "city" in own else zone.rpartition("/")[2].replace("_", " ")] = str(names["city"])
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^\w:+-]+", "_", text)
