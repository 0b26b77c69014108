"""Mentions of a knowledge graph's entities in a record: what an annotator, or another program, has linked."""

from __future__ import annotations

from typing import NamedTuple

from mkgc.data.examples import Span
from mkgc.data.formats import fields
from mkgc.data.formats.mentions import read_span
from mkgc.data.formats.records import SentenceRecord
from mkgc.errors import DataError

KEY = "entities"
"""The key of a record that holds them."""


class Link(NamedTuple):
    """Words of a sentence that mention an entity, by its id in the graph."""

    span: Span
    entity: str


Links = tuple[Link, ...]


def read_links(record: SentenceRecord, place: str) -> Links | None:
    """The links of a record, ``{"entities": [{"start", "end" or "char", "id"}, …]}``, in the order of the text.

    None if it has no such key: nobody has linked its mentions. An empty list says that there are none.

    Raises:
        DataError: It is no list of such.
    """
    if KEY not in record.fields:
        return None
    listed = record.fields[KEY]
    if not isinstance(listed, list | tuple):
        raise DataError(f"'{KEY}' must be a list of linked mentions, not {listed!r:.40}", place)
    found = [Link(read_span(record, one, KEY, place), _id(one, place)) for one in listed]
    return tuple(sorted(dict.fromkeys(found)))


def _id(one: object, place: str) -> str:
    entity = fields.need(one, "id", place, KEY)
    if not isinstance(entity, str) or not entity:
        raise DataError(f"'id' in '{KEY}' must name an entity of the graph, not {entity!r:.40}", place)
    return entity
