"""Pairs of a country and something else, of which the graph alone says how they are related, and sentences with both.

Countries of different continents are in different splits, and so is whatever belongs to them: no name that dev and test
ask about occurs in train. No sentence gives its answer away.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from mkgc.data.atlas.facts import Country
from mkgc.data.atlas.linked import LANGUAGES, Entity, LinkedWorld
from mkgc.data.atlas.linked_text import LinkedText, fill

SPLITS = {"Africa": "train", "Europe": "train", "Oceania": "train", "Americas": "dev", "Asia": "test"}
COUNTS = {"train": 3000, "dev": 400, "test": 600}

ANSWERS = {
    "language": ("official_language", "regional_language", "spoken_language", ""),
    "currency": ("currency", "former_currency", ""),
    "country": ("borders", ""),
    "city": ("capital", ""),
}
"""What may relate a country to a thing of each kind; empty: nothing does. Of a kind, all are asked for alike."""

TEMPLATES = {
    "en": (
        "The report on {h} has a page about {t}.",
        "In a talk about {h}, somebody asked about {t}.",
        "What {t} has to do with {h} is well known.",
        "{t} came up when they spoke of {h}.",
        "Whoever writes about {h} may have to mention {t}.",
        "An exhibition about {h} opened, and {t} had a room of its own.",
        "He looked up {h} and found a note on {t}.",
        "The class on {h} began with {t}.",
    ),
    "zh": (
        "关于{h}的报告有一页谈到了{t}。",
        "在讨论{h}的时候，有人问起{t}。",
        "{t}与{h}的关系众所周知。",
        "说到{h}时，他们提到了{t}。",
        "写{h}的人也许要提到{t}。",
        "{h}的展览开幕了，{t}有单独的展厅。",
        "他查阅{h}，看到了关于{t}的注释。",
        "{h}这一课是从{t}开始的。",
    ),
}

WITH_OTHERS = {
    "en": (
        "The report on {h} has a page about {t} and one about {x}.",
        "In a talk about {h}, somebody asked about {x} and somebody else about {t}.",
        "{x}, {h} and {t} are words of this lesson.",
        "{t} came up when they spoke of {h}, and so did {x}.",
        "Whoever writes about {h} may have to mention {x} before {t}.",
        "He looked up {h} and found notes on {t} and {x}.",
    ),
    "zh": (
        "关于{h}的报告有一页谈到了{t}，还有一页谈到了{x}。",
        "在讨论{h}的时候，有人问起{x}，也有人问起{t}。",
        "{x}、{h}和{t}都是这一课的词语。",
        "说到{h}时，他们提到了{t}，也提到了{x}。",
        "写{h}的人也许要先提到{x}再提到{t}。",
        "他查阅{h}，看到了关于{t}和{x}的注释。",
    ),
}
"""The same beside something else that is related to the country, so that the right link has to be found."""


class Pair(NamedTuple):
    """A country (head) and what it is asked about (tail), with what the graph says: empty, if nothing."""

    head: Entity
    tail: Entity
    relation: str


class Sentence(NamedTuple):
    """A sentence that names a pair; slots ``h`` and ``t`` are its mentions."""

    pair: Pair
    written: LinkedText


def split_entities(world: LinkedWorld, countries: Mapping[str, Country]) -> dict[str, str]:
    """The split of each entity: a country's by its continent, any other's where most of its countries are."""
    out = {
        one: SPLITS[country.region]
        for code, country in countries.items()
        if country.region and (one := f"country/{code}") in world.entities
    }
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for head, tail in world.relations:
        if head in out and world.entities[tail].kind != "country":
            votes[tail][out[head]] += 1
    return out | {one: found.most_common(1)[0][0] for one, found in votes.items()}


def draw_sentences(world: LinkedWorld, countries: Mapping[str, Country], random: Random) -> dict[str, list[Sentence]]:
    """The sentences of each split, half of them English and half Chinese, every second with something else in it."""
    splits = split_entities(world, countries)
    return {
        split: _draw(world, {e for e, own in splits.items() if own == split}, COUNTS[split], random) for split in COUNTS
    }


def _draw(world: LinkedWorld, allowed: set[str], count: int, random: Random) -> list[Sentence]:
    things: dict[str, list[Entity]] = defaultdict(list)
    for key, entity in world.entities.items():
        if key in allowed:
            things[entity.kind].append(entity)
    pairs = related(world, allowed)
    decks: dict[tuple[str, str], list[Pair]] = {}
    choices = [(kind, answer) for kind, answers in ANSWERS.items() for answer in answers]
    out = []
    for i in range(count):
        kind, answer = choices[i % len(choices)]
        if answer and not decks.get((kind, answer)):  # all pairs once before any comes again
            decks[kind, answer] = random.sample(pairs[kind, answer], len(pairs[kind, answer]))
        pair = decks[kind, answer].pop() if answer else _unrelated(world, things, kind, random)
        out.append(_write(world, pair, allowed, random))
    random.shuffle(out)
    return out


def related(world: LinkedWorld, allowed: set[str]) -> dict[tuple[str, str], list[Pair]]:
    """All pairs that the graph relates in one way, by the kind of the tail and the relation."""
    out: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for (head, tail), found in world.relations.items():
        pair = Pair(world.entities[head], world.entities[tail], found[0])
        if {head, tail} <= allowed and len(found) == 1 and _told_apart(pair):
            out[pair.tail.kind, pair.relation].append(pair)
    return out


def _unrelated(world: LinkedWorld, things: Mapping[str, Sequence[Entity]], kind: str, random: Random) -> Pair:
    while True:
        pair = Pair(random.choice(things["country"]), random.choice(things[kind]), "")
        if (pair.head.id, pair.tail.id) not in world.relations and _told_apart(pair):
            return pair


def _told_apart(pair: Pair) -> bool:
    """Whether head and tail are two things with two names (Luxembourg is a country and a city)."""
    return pair.head.names["en"] != pair.tail.names["en"]


def _write(world: LinkedWorld, pair: Pair, allowed: set[str], random: Random) -> Sentence:
    slots = {"h": pair.head, "t": pair.tail}
    beside = [world.entities[one] for one in world.neighbours[pair.head.id] if one in allowed and one != pair.tail.id]
    if beside and random.random() < 0.5:
        slots["x"] = random.choice(beside)
    language = random.choice([one for one in LANGUAGES if all(entity.names[one] for entity in slots.values())])
    template = random.choice((WITH_OTHERS if "x" in slots else TEMPLATES)[language])
    return Sentence(pair, fill(template, slots, language))
