"""Entity replacement: the name of another entity of the same type in the place of a mention."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from mkgc.data.context import KnowledgeContext
from mkgc.data.examples import Span
from mkgc.data.formats.text_files import find
from mkgc.data.type_constraints import read_types
from mkgc.errors import DataError

T = TypeVar("T")

Typed = Int[np.ndarray, "n 2"]
"""Rows of an entity and one of its types, by number."""

TRIES = 8
"""Other entities that are drawn at most until one has a fitting name."""


def entity_types(knowledge: KnowledgeContext) -> Typed:
    """The types of a graph's entities, as ``types.tsv`` in its folder says.

    Without that file, entities are alike that stand at the same side of some relation.

    Raises:
        DataError: The file is malformed.
    """
    root = Path(knowledge.settings.root)
    try:
        find(root / "types.tsv", root / "types.csv")
    except DataError:
        heads, relations, tails = knowledge.triples.T
        ends = np.concatenate([np.stack([heads, 2 * relations], 1), np.stack([tails, 2 * relations + 1], 1)])
        return np.unique(ends, axis=0)
    return read_types(root, knowledge.entities)


class Replacement:
    """Draws names that stand for mentions.

    Another entity that shares a type with the one that is mentioned is drawn, then one of its names, in the script that
    the mention is written in. An entity without a type, or the only one of its types, is not replaced.

    Source: WKLM (Xiong et al., ICLR 2020), section 2.2.
    """

    def __init__(self, knowledge: KnowledgeContext, types: Typed) -> None:
        self._knowledge, self.types = knowledge, types

    @cached_property
    def _members(self) -> Mapping[int, Sequence[int]]:
        """The entities of each type."""
        out: dict[int, list[int]] = defaultdict(list)
        for entity, kind in self.types.tolist():
            out[kind].append(entity)
        return out

    @cached_property
    def _kinds(self) -> Mapping[int, Sequence[int]]:
        """The types of each entity that share it with another."""
        out: dict[int, list[int]] = defaultdict(list)
        for entity, kind in self.types.tolist():
            if len(self._members[kind]) > 1:
                out[entity].append(kind)
        return out

    @cached_property
    def _names(self) -> Mapping[int, Sequence[str]]:
        out: dict[int, list[str]] = defaultdict(list)
        for name, entity in zip(self._knowledge.names.names, self._knowledge.names.owners.tolist(), strict=True):
            out[entity].append(name)
        return out

    def draw(self, entity: int, written: str, random: np.random.Generator) -> str | None:
        """Another entity's name for a mention of one, as that is ``written``; None if none was found."""
        kinds = self._kinds.get(entity, ())
        for _ in range(TRIES if kinds else 0):
            members = self._members[_one(kinds, random)]
            other = _one(members, random)
            names = [name for name in self._names.get(other, ()) if script(name) == script(written) and name != written]
            if other != entity and names:
                return _one(names, random)
        return None


def _one(some: Sequence[T], random: np.random.Generator) -> T:
    return some[int(random.integers(len(some)))]


def drawn_mentions(spans: Sequence[Span], share: float, random: np.random.Generator) -> list[int]:
    """The mentions to be replaced: none that overlaps another, and of two that follow each other only one.

    >>> drawn_mentions([Span(0, 2), Span(1, 3), Span(5, 6), Span(7, 9)], 1.0, np.random.default_rng(0))
    [2]
    """
    chosen: list[int] = []
    for place, (span, drawn) in enumerate(zip(spans, random.random(len(spans)).tolist(), strict=True)):
        others = (*spans[:place], *spans[place + 1 :])
        alone = all(other.end <= span.start or span.end <= other.start for other in others)
        if drawn < share and alone and place - 1 not in chosen:
            chosen.append(place)
    return chosen


@lru_cache(1 << 16)
def script(text: str) -> str:
    """The script of a text's first letter, by Unicode's name of it.

    >>> script("Київ"), script("北京"), script("42")
    ('CYRILLIC', 'CJK', '')
    """
    letter = next((character for character in text if character.isalpha()), "")
    return unicodedata.name(letter, "").partition(" ")[0] if letter else ""
