"""The record in which a user writes a sentence with two mentions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mkgc.relations.example import RelationExample, pair, read_pair, read_relation


def parse_relation(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """``text`` or ``tokens``, with ``head`` and ``tail``; ``relation`` is passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    return RelationExample(**pair(read_pair(record, folder, place), place))


def parse_labelled(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """The same with its ``relation``; raises likewise."""
    return replace(parse_relation(record, folder, place), relation=read_relation(record, place))
