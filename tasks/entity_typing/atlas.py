"""Sentences about a country and something else, which is of finer types where the graph relates it to the country."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from mkgc.data.atlas.facts import Country
from mkgc.data.atlas.linked import linked_world, write_graph
from mkgc.data.atlas.linked_pairs import Pair, Sentence, draw_sentences
from mkgc.data.atlas.linked_text import write_records

COARSE = {"language": "/language", "currency": "/currency", "country": "/place/country", "city": "/place/city"}
FINE = {
    "official_language": "/language/official",
    "regional_language": "/language/regional",
    "spoken_language": "/language/spoken",
    "currency": "/currency/current",
    "former_currency": "/currency/former",
    "borders": "/place/country/neighbour",
    "capital": "/place/city/capital",
}
"""What a mention is to the country of its sentence, by the relation of the two."""


def types(pair: Pair) -> list[str]:
    """The types of a pair's tail, from coarse to fine."""
    return [COARSE[pair.tail.kind], *([FINE[pair.relation]] if pair.relation else [])]


def record(sentence: Sentence) -> dict[str, Any]:
    """The sentence with its links, the mention that is asked about and its types."""
    place = {"char": [*sentence.written.places["t"]]}
    return sentence.written.record() | {"mention": place, "types": types(sentence.pair)}


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the data set as people write their own sentences, and its graph."""
    world = linked_world(countries)
    write_graph(folder / "graph", world)
    for split, sentences in draw_sentences(world, countries, random).items():
        write_records(folder / f"{split}.jsonl", map(record, sentences))
