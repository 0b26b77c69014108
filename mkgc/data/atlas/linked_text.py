"""Text about entities of the Atlas, with the place and the id of each that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkgc.data.atlas.linked import Entity

SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class LinkedText:
    """A text; ``places`` are the characters of each slot of its templates, ``entities`` those with what they name."""

    text: str
    places: Mapping[str, tuple[int, int]]
    entities: tuple[tuple[tuple[int, int], str], ...]

    def record(self) -> dict[str, Any]:
        """The text and its links, as a line of JSON has them."""
        return {"text": self.text, "entities": [{"char": [*place], "id": id} for place, id in self.entities]}


def fill(template: str, slots: Mapping[str, Entity], language: str) -> LinkedText:
    """Writes names into the slots of a template, ``{h}`` for one."""
    text, places, entities = "", {}, []
    end = 0
    for slot in SLOT.finditer(template):
        text += template[end : slot.start()]
        entity = slots[slot[1]]
        place = (len(text), len(text) + len(entity.names[language]))
        places[slot[1]] = place
        entities.append((place, entity.id))
        text, end = text + entity.names[language], slot.end()
    return LinkedText(text + template[end:], places, tuple(entities))


def join(texts: Iterable[LinkedText], between: str) -> LinkedText:
    """Several texts as one."""
    text, entities = "", []
    for one in texts:
        text += between if text else ""
        shift = len(text)
        entities += [((start + shift, end + shift), id) for (start, end), id in one.entities]
        text += one.text
    return LinkedText(text, {}, tuple(entities))


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes a line of JSON a record."""
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
