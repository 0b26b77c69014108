"""Short texts about countries, with links: what a language model reads of the built-in world.

Of the countries that the tasks on top ask about in dev and test, no text says more than where they lie: what the graph
knows of them is nowhere to be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from mkgc.data.atlas.facts import Country
from mkgc.data.atlas.linked import LANGUAGES, Entity, LinkedWorld, linked_world, write_graph
from mkgc.data.atlas.linked_pairs import split_entities
from mkgc.data.atlas.linked_text import LinkedText, fill, join, write_records

COUNTS = {"train": 4000, "dev": 300, "test": 300}
SHARDS = 2
"""Files of train: a corpus may be any number of them."""
FACTS = 5
"""The most sentences of a text."""
PLACES = ("in_region", "in_subregion")

STATED = {
    "borders": {
        "en": ("{h} shares a border with {t}.", "From {h} one can walk into {t}.", "{t} is a neighbour of {h}."),
        "zh": ("{h}与{t}接壤。", "从{h}可以步行到{t}。", "{t}是{h}的邻国。"),
    },
    "capital": {
        "en": ("The capital of {h} is {t}.", "{h} is governed from {t}.", "{t} is where the parliament of {h} sits."),
        "zh": ("{h}的首都是{t}。", "{h}的政府设在{t}。", "{t}是{h}的首都。"),
    },
    "official_language": {
        "en": (
            "The laws of {h} are written in {t}.",
            "{t} is an official language of {h}.",
            "In {h}, offices use {t}.",
        ),
        "zh": ("{h}的官方语言是{t}。", "{h}的法律用{t}写成。", "在{h}，政府使用{t}。"),
    },
    "regional_language": {
        "en": (
            "{t} is official in a part of {h}.",
            "One region of {h} has schools in {t}.",
            "Some towns of {h} use {t}.",
        ),
        "zh": ("{t}是{h}部分地区的官方语言。", "{h}的一个地区用{t}教学。", "{h}的一些城镇使用{t}。"),
    },
    "spoken_language": {
        "en": ("Some people in {h} speak {t}.", "{t} can be heard in {h}.", "In {h} there are speakers of {t}."),
        "zh": ("{h}有人说{t}。", "在{h}可以听到{t}。", "{h}有说{t}的居民。"),
    },
    "currency": {
        "en": ("One pays in {h} with {t}.", "The money of {h} is {t}.", "Prices in {h} are in {t}."),
        "zh": ("{h}的货币是{t}。", "在{h}用{t}付款。", "{h}的价格以{t}计算。"),
    },
    "former_currency": {
        "en": ("{t} was once the money of {h}.", "In {h} one used to pay with {t}.", "{h} gave up {t} long ago."),
        "zh": ("{h}曾经使用{t}。", "{t}曾是{h}的货币。", "{h}早已不用{t}。"),
    },
    "in_region": {
        "en": ("{h} lies in {t}.", "{h} belongs to {t}.", "On a map of {t} one finds {h}."),
        "zh": ("{h}位于{t}。", "{h}属于{t}。", "在{t}的地图上可以找到{h}。"),
    },
    "in_subregion": {
        "en": ("{h} is a part of {t}.", "{h} is counted among {t}.", "Travellers to {t} may see {h}."),
        "zh": ("{h}是{t}的一部分。", "{h}属于{t}地区。", "去{t}旅行可以到{h}。"),
    },
}
"""Sentences that say of a country (h) how something (t) is related to it."""


def facts(world: LinkedWorld, countries: Mapping[str, Country]) -> dict[str, list[tuple[str, Entity]]]:
    """What may be said of each country: the relation and what it relates to."""
    splits = split_entities(world, countries)
    out: dict[str, list[tuple[str, Entity]]] = defaultdict(list)
    for (head, tail), relations in world.relations.items():
        for relation in relations:
            if relation in PLACES or {splits.get(head), splits.get(tail)} <= {"train", None}:
                out[head].append((relation, world.entities[tail]))
    return out


def texts(world: LinkedWorld, countries: Mapping[str, Country], count: int, random: Random) -> Iterator[LinkedText]:
    """Texts, each about one country and in one language; all countries once before any comes again."""
    known, deck = facts(world, countries), list[str]()
    for _ in range(count):
        deck = deck or random.sample([*known], len(known))
        head, language = deck.pop(), random.choice(LANGUAGES)
        usable = [fact for fact in known[head] if fact[1].names[language]]
        chosen = random.sample(usable, min(len(usable), random.randint(1, FACTS)))
        yield _text(world.entities[head], chosen, language, random)


def _text(head: Entity, chosen: Sequence[tuple[str, Entity]], language: str, random: Random) -> LinkedText:
    said = (
        fill(random.choice(STATED[relation][language]), {"h": head, "t": tail}, language) for relation, tail in chosen
    )
    return join(said, " " if language == "en" else "")


def write(folder: Path, countries: Mapping[str, Country], random: Random) -> None:
    """Writes the corpus, train in shards, and its graph."""
    world = linked_world(countries)
    write_graph(folder / "graph", world)
    for split, count in COUNTS.items():
        records = [one.record() for one in texts(world, countries, count, random)]
        if split != "train":
            write_records(folder / f"{split}.jsonl", records)
            continue
        for shard in range(SHARDS):
            write_records(folder / f"{split}-{shard:05}.jsonl", records[shard::SHARDS])
