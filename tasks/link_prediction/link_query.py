"""A user's own question of link prediction: a triple that lacks one part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkgc.data.formats import fields, records
from mkgc.errors import DataError

TRIPLE = ("head", "relation", "tail")


@dataclass(frozen=True)
class InductiveEntity:
    """An entity that the graph does not have; ``images`` are as written, relative to the folder of the input."""

    name: str
    description: str = ""
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LinkQuery:
    """A triple of which one part is missing; that one is None. Text is an id or a name of the graph's."""

    head: str | InductiveEntity | None
    relation: str | None
    tail: str | InductiveEntity | None


def parse_query(record: Mapping[str, Any], place: str) -> LinkQuery:
    """Two of ``head``, ``relation`` and ``tail``, each by id or by name; an unseen head or tail as an object.

    Raises:
        DataError: Something is missing or of another kind.
    """
    record = fields.given(record, place)
    if strange := record.keys() - {"id", *TRIPLE}:
        raise DataError(f"no such key: '{min(map(str, strange))}'; a query has two of {', '.join(TRIPLE)}", place)
    given = [key for key in TRIPLE if key in record]
    if len(given) != 2:
        here = ", ".join(f"'{key}'" for key in given) if given else "none"
        raise DataError(f"give two of {', '.join(TRIPLE)}, the third is what is asked for; given: {here}", place)
    head, tail = (_entity(record.get(key), key, place) for key in ("head", "tail"))
    relation = record.get("relation")
    if relation is not None and not isinstance(relation, str):
        raise DataError(f"'relation' must be text, not {relation!r:.40}", place)
    return LinkQuery(head, relation, tail)


def _entity(value: Any, key: str, place: str) -> str | InductiveEntity | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"'{key}' must be text, or an object with a name, not {value!r:.40}", place)
    value = fields.given(value, place)
    if strange := value.keys() - {"name", "description", "images"}:
        first = min(map(str, strange))
        raise DataError(f"no such key in '{key}': '{first}'; there are name, description, images", place)
    name, description = fields.need(value, "name", place, key), value.get("description", "")
    if not isinstance(name, str) or not records.visible(name):
        raise DataError(f"'name' in '{key}' must be text that is not empty, not {name!r:.40}", place)
    if not isinstance(description, str):
        raise DataError(f"'description' in '{key}' must be text, not {description!r:.40}", place)
    files = records.files(value.get("images", []), f"'images' in '{key}'", place)
    return InductiveEntity(name, description, tuple(map(Path, files)))
