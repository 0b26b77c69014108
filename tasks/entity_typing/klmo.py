"""The format of KLMo's typing data: segmented sentences with a mention, its types and linked entities.

Source: lei-nlp/KLMo, code/run_typing_IP_addRel_T2.py. The data themselves (works of the entertainment industry) were
never published. A JSON object a line: ``sent`` (words between spaces), ``start`` and ``end`` of the mention among them,
``new_labels``, of which the last is the type, and ``ents``, ``[[id, name, start, end], …]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.converted import Placed
from mkgc.data.formats.text_files import find
from mkgc.errors import DataError

FILES = {
    "train": ("train.json", "new.15k.conll.json"),
    "dev": ("dev.json",),
    "test": ("test.json", "new.8k.conll.json"),
}
"""The files' names for each split: plain ones, and the authors' own."""


def records(root: Path, split: str) -> Iterator[Placed]:
    """The mentions of a split.

    Raises:
        DataError: The file is missing or empty, or a line is malformed.
    """
    found, places = jsonl.require_records(jsonl.read_records(find(*(root / name for name in FILES[split]))))
    for record, place in zip(found, places, strict=True):
        text, start, end, labels = (fields.need(record, key, place) for key in ("sent", "start", "end", "new_labels"))
        if not isinstance(text, str) or not isinstance(labels, list) or not labels:
            raise DataError("'sent' must be words between spaces, 'new_labels' a list of labels", place)
        linked = [_entity(one, place) for one in record.get("ents") or ()]
        yield {"tokens": text.split(" "), "mention": [start, end], "types": labels[-1:], "entities": linked}, place


def types(root: Path) -> tuple[str, ...]:
    """The types of train, sorted; raises as :func:`records` does."""
    return tuple(sorted({str(name) for record, _ in records(root, "train") for name in record["types"]}))


def _entity(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, list) or len(value) != 4:
        raise DataError(f"each of 'ents' must be [id, name, start, end], not {value!r:.40}", place)
    return {"id": str(value[0]), "start": value[2], "end": value[3]}
