"""Checks of a record's fields, one field at a time; every message begins with the record's place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from mkgc.data.examples import Span
from mkgc.errors import DataError

TAG = re.compile(r"O|[BIESMLUW]-.+")
"""The tags of all schemes that are read (:mod:`mkgc.data.tags`)."""
HALF = re.compile("[\ud800-\udfff]")
LARGEST = 10**12


DEPTH = 100
"""How deep values may be nested; a record needs three levels."""


def plain(value: Any, place: str, key: str = "record", depth: int = 0) -> None:
    """Checks that a value can be written again: finite numbers, whole characters, lists and mappings not too deep.

    Raises:
        DataError: It cannot; the message names the uppermost key that holds what is wrong.
    """
    if depth > DEPTH:
        raise DataError(f"'{key}' is nested more than {DEPTH} levels deep", place)
    if isinstance(value, str):
        if HALF.search(value):
            raise DataError(f"'{key}' holds half a character (a lone surrogate): {value!a:.40}", place)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            plain(name, place, "a key", depth)
            plain(inner, place, str(name) if depth == 0 else key, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            plain(inner, place, key, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"'{key}' holds {value}, which is no number in JSON", place)


def is_plain(value: Any) -> bool:
    """Whether a value passes :func:`plain`."""
    try:
        plain(value, "")
    except DataError:
        return False
    return True


def given(record: Any, place: str) -> dict[str, Any]:
    """The keys of a record that have a value: null is as good as leaving the key out.

    Raises:
        DataError: It is no mapping, or not of values that could be written again.
    """
    if not isinstance(record, Mapping):
        raise DataError(f"the record must be a mapping of keys to values, not {record!r:.40}", place)
    plain(record, place)
    return {key: value for key, value in record.items() if value is not None}


def need(record: Any, key: str, place: str, inside: str = "") -> Any:
    """The value of a key that must be there; ``inside`` names the field that holds the record.

    Raises:
        DataError: It is not there, or what should hold it is no mapping.
    """
    if not isinstance(record, Mapping):
        where = f"'{inside}'" if inside else "the record"
        raise DataError(f"{where} must be a mapping of keys to values, not {record!r:.40}", place)
    if key not in record:
        raise DataError(f"the key '{key}' is missing" + (f" in '{inside}'" if inside else ""), place)
    return record[key]


def tokens(value: Any, key: str, place: str) -> tuple[str, ...]:
    """A list of words, none of them empty.

    Raises:
        DataError: It is anything else, or a word holds half a character (as when an emoji was cut through).
    """
    if not isinstance(value, list | tuple) or not value or not all(isinstance(v, str) and v for v in value):
        raise DataError(f"'{key}' must be a list of words, none of them empty, not {value!r:.40}", place)
    plain(value, place, key)
    return tuple(value)


def span(value: Any, count: int, key: str, place: str, unit: str = "token") -> Span:
    """A half-open range that holds at least one of ``count`` tokens, or of another ``unit``.

    Raises:
        DataError: It is anything else.
    """
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(type(v) is int for v in value):
        raise DataError(f"'{key}' must be two {unit} positions [start, end), not {value!r:.40}", place)
    start, end = value
    if max(abs(start), abs(end)) > LARGEST:
        raise DataError(f"'{key}' lies outside the sentence of {count} {unit}s, beyond {LARGEST:,}", place)
    if start >= end:
        raise DataError(f"'{key}' is empty: its start {start} is not before its end {end}", place)
    if start < 0 or end > count:
        raise DataError(f"'{key}' [{start}, {end}) lies outside the sentence of {count} {unit}s", place)
    return Span(start, end)


def tag(value: Any, place: str) -> str:
    """O, or the mark of a scheme before an entity type.

    Raises:
        DataError: It is anything else.
    """
    if not isinstance(value, str) or not TAG.fullmatch(value):
        marks = "B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)"
        raise DataError(f"the tag {value!r:.40} is none of O, {marks}", place)
    return value
