"""Sentences about a country and something else, of which the graph alone says how the two are related."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from mkgc.data.atlas.facts import Country
from mkgc.data.atlas.linked import linked_world, write_graph
from mkgc.data.atlas.linked_pairs import Sentence, draw_sentences
from mkgc.data.atlas.linked_text import write_records

NONE = "NA"
"""The relation of a pair of which the graph says nothing."""


def record(sentence: Sentence) -> dict[str, Any]:
    """The sentence with its links, its two mentions and how they are related."""
    ends = {key: {"char": [*sentence.written.places[slot]]} for key, slot in (("head", "h"), ("tail", "t"))}
    return sentence.written.record() | ends | {"relation": sentence.pair.relation or NONE}


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the data set as people write their own sentences, and its graph."""
    world = linked_world(countries)
    write_graph(folder / "graph", world)
    for split, sentences in draw_sentences(world, countries, random).items():
        write_records(folder / f"{split}.jsonl", map(record, sentences))
