"""A sentence with two mentions whose entities may be linked, and the record in which a user writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mkgc.data.formats.links import KEY, Link, read_links
from mkgc.data.words import show_words
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample, pair, read_pair, read_relation


@dataclass(frozen=True)
class LinkedRelationExample(RelationExample):
    """A sentence with two mentions; ``links`` are None where nobody has linked its entities.

    ``bag`` names the sentences that are about the same two things: one for each pair, unless the data say otherwise.
    """

    links: tuple[Link, ...] | None = None
    bag: str = ""

    def __post_init__(self) -> None:
        if not self.bag:
            object.__setattr__(self, "bag", name_bag(self))


def name_bag(example: LinkedRelationExample) -> str:
    """The pair of head and tail: their entities, where they are linked, else their words."""
    known = {link.span: link.entity for link in example.links or ()}
    ends = (example.head, example.tail)
    return "\t".join(known.get(span) or show_words(example.tokens, example.raw, span) for span in ends)


def parse_relation(record: Mapping[str, Any], folder: Path, place: str) -> LinkedRelationExample:
    """``text`` or ``tokens``, ``head`` and ``tail``, linked ``entities`` and a ``bag``; ``relation`` is passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    found = read_pair(record, folder, place, {KEY, "bag"}, (KEY,))
    bag = found.fields.get("bag", "")
    if not isinstance(bag, str | int):
        raise DataError(f"'bag' must be the name or number of one, not {bag!r:.40}", place)
    return LinkedRelationExample(**pair(found, place), links=read_links(found, place), bag=str(bag))


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> LinkedRelationExample:
    """The same with its ``relation``; raises likewise."""
    return replace(parse_relation(record, folder, place), relation=read_relation(record, place))
