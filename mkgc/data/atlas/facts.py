"""Facts of countryinfo and names of babel, as frozen records in a fixed order."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
from babel import Locale
from jaxtyping import Float

DISSOLVED = {"CS"}  # Serbia and Montenegro, beside its successors

Ring = Float[np.ndarray, "_ 2"]
"""A closed outline: rows of longitude and latitude in degrees."""


@dataclass(frozen=True)
class Country:
    """The facts about a country; codes are ISO 3166-1 alpha-2, names English."""

    code: str
    name: str
    chinese: str
    capital: str
    capital_at: tuple[float, float] | None
    region: str
    subregion: str
    borders: tuple[str, ...]
    languages: tuple[str, ...]
    currencies: tuple[str, ...]
    zones: tuple[str, ...]
    area: float
    population: int
    native: str
    calling: str
    rings: tuple[Ring, ...]

    @cached_property
    def mainland(self) -> tuple[Ring, ...]:
        """The largest ring and those near it: what a map of the country is zoomed to."""
        if not self.rings:
            return ()
        centre = max(self.rings, key=_extent).mean(0)
        return tuple(ring for ring in self.rings if np.abs(ring.mean(0) - centre).max() < 25)

    @cached_property
    def box(self) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
        """South-western and north-eastern corner of the mainland."""
        points = np.concatenate(self.mainland)
        return points.min(0), points.max(0)

    @property
    def centre(self) -> Float[np.ndarray, " 2"]:
        """The middle of the mainland's box."""
        return (self.box[0] + self.box[1]) / 2


def bearing(head: Country, tail: Country) -> float:
    """Where the head lies from the tail, by the middles of their boxes: degrees counter-clockwise from east."""
    east, north = head.centre - tail.centre
    middle = math.radians((head.centre[1] + tail.centre[1]) / 2)
    return math.degrees(math.atan2(north, east * math.cos(middle)))


def _extent(ring: Ring) -> float:
    """The area of a ring in square degrees (shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def _rings(record: dict[str, Any]) -> tuple[Ring, ...]:
    """The outer rings of the outline; none where it crosses the antimeridian, for which a flat map has no place."""
    shapes = record.get("geoJSON") or {}
    if not shapes.get("features"):
        return ()
    geometry = shapes["features"][0]["geometry"]
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return tuple(np.array(polygon[0], dtype=float)[:, :2] for polygon in polygons)


def language_names() -> dict[str, str]:
    """English names of languages by code."""
    return dict(Locale("en").languages)


def currency_names() -> dict[str, str]:
    """English names of currencies by code."""
    return dict(Locale("en").currencies)


def countries() -> dict[str, Country]:
    """All countries by code, in the order of their codes."""
    records: dict[str, dict[str, Any]] = {}
    folder = files("countryinfo").joinpath("data")
    for path in sorted((p for p in folder.iterdir() if p.name.endswith(".json")), key=lambda p: p.name):
        record = json.loads(path.read_text(encoding="utf-8"))
        code = record["ISO"]["alpha2"]
        if len(record) > len(records.get(code, {})):  # three countries come twice, once with few facts
            records[code] = record
    by_alpha3 = {record["ISO"]["alpha3"]: code for code, record in records.items()}
    found = {code: _country(code, records[code], by_alpha3) for code in sorted(records)}
    return {code: replace(country, borders=_both_ways(code, found)) for code, country in found.items()}


def _both_ways(code: str, found: dict[str, Country]) -> tuple[str, ...]:
    """Neighbours that either side lists (a few list one another on one side only), but for states that are no more."""
    listed = {*found[code].borders, *(c.code for c in found.values() if code in c.borders)}
    return tuple(sorted(listed - DISSOLVED)) if code not in DISSOLVED else ()


def _country(code: str, record: dict[str, Any], by_alpha3: dict[str, str]) -> Country:
    languages, currencies = language_names(), currency_names()
    capital = record.get("capital") or ""
    place = record.get("capital_latlng")
    place = place[0] if place and isinstance(place[0], list) else place
    return Country(
        code=code,
        name=record["name"],
        chinese=Locale("zh").territories.get(code, ""),
        capital=capital if isinstance(capital, str) else capital[0],
        capital_at=(float(place[1]), float(place[0])) if place and None not in place[:2] else None,
        region=record.get("region") or "",
        subregion=record.get("subregion") or "",
        borders=tuple(sorted(by_alpha3[b] for b in record.get("borders") or () if b in by_alpha3)),
        languages=tuple(sorted({x for x in record.get("languages") or () if x in languages})),
        currencies=tuple(sorted({x for x in record.get("currencies") or () if x in currencies})),
        zones=tuple(sorted({z.replace("\u2212", "-") for z in record.get("timezones") or ()})),
        area=float(record.get("area") or 0),
        population=int(record.get("population") or 0),
        native=record.get("nativeName") or "",
        calling=next(iter(record.get("callingCodes") or ()), ""),
        rings=_rings(record),
    )
