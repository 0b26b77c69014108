"""CFET: mentions of Chinese sentences with crowd-sourced types, ten coarse ones and 1,299 fine ones.

Source: Lee et al., "A Chinese Corpus for Fine-grained Entity Typing" (LREC 2020). It is published as one file, of which
a tenth each is drawn for dev and test, all mentions of a sentence together.
"""

from __future__ import annotations

from pathlib import Path

from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.converted import Placed, drawn
from mkgc.data.formats.text_files import find

FILE = "crowdsourced.json"
COARSE, FINE = "general_type", "label_types"
"""The keys of either kind of types."""


def records(key: str, root: Path, split: str) -> list[Placed]:
    """The mentions of a split with the types of a ``key``.

    Raises:
        DataError: The file is missing or empty, or a line is no record of CFET.
    """
    read = _read(root)
    placed: list[Placed] = []
    for record, place in read:
        text, span, name, types = (fields.need(record, each, place) for each in ("sentence", "span", "mention_id", key))
        placed.append(({"id": name, "text": text, "mention": {"char": span}, "types": types}, place))
    return drawn(placed, split, [str(record["text"]) for record, _ in placed])


def types(key: str, root: Path) -> tuple[str, ...]:
    """All types of a ``key``, sorted, whichever mention has them; raises as :func:`records` does."""
    return tuple(sorted({name for record, place in _read(root) for name in fields.need(record, key, place)}))


def _read(root: Path) -> list[Placed]:
    found, places = jsonl.require_records(jsonl.read_records(find(root / FILE)))
    return [*zip(found, places, strict=True)]
