"""A poem, and the record in which people write one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.records import visible
from mkgc.data.script import in_script
from mkgc.errors import DataError

DIVIDER = "|"
"""Stands between a poem's title and its lines, as in PKG-Bert's texts."""

KEYS = frozenset({"id", "title", "author", "text", "lines"})
"""The keys of a record."""


@dataclass(frozen=True)
class PoemExample:
    """A poem; ``title`` and ``author`` are empty where they are not known.

    ``letters`` are those of its lines in simplified script, by which poems are compared, in whatever they are read.
    """

    id: str = field(compare=False)
    title: str
    author: str
    lines: tuple[str, ...]
    letters: str = field(compare=False)
    images: ImagePaths = field(default_factory=dict, compare=False)

    @cached_property
    def text(self) -> str:
        """The text that is read: title and lines."""
        body = "".join(self.lines)
        return f"{self.title}{DIVIDER}{body}" if self.title else body

    @property
    def tokens(self) -> tuple[str, ...]:
        """The characters of the text."""
        return tuple(letter for letter in self.text if not letter.isspace())


def parse_poem(record: Mapping[str, Any], place: str, language: str | None = None) -> PoemExample:
    """A poem of ``text`` or a list ``lines``, with a ``title`` and an ``author`` where they are known.

    It is read in the script of a ``language``, ``zh-Hans`` or ``zh-Hant``; None: as it is written.

    Raises:
        DataError: The text is missing, has nothing to be seen, or something is of another kind or of no known key.
    """
    given = fields.given(record, place)
    if strange := given.keys() - KEYS:
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {', '.join(sorted(KEYS))}", place)
    if ("text" in given) == ("lines" in given):
        raise DataError("give one of 'text' and 'lines'", place)
    lines = _lines(given["lines"], place) if "lines" in given else _text(given["text"], "text", place).splitlines()
    if not visible("".join(lines)):
        raise DataError("the poem has no characters", place)
    title, author = (in_script(_text(given.get(key, ""), key, place).strip(), language) for key in ("title", "author"))
    read = tuple(in_script(line.strip(), language) for line in lines)
    letters = in_script("".join(filter(str.isalnum, "".join(lines))), "zh-Hans")
    return PoemExample(str(given.get("id", place)), title, author, read, letters)


def _lines(value: Any, place: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(line, str) for line in value):
        raise DataError(f"'lines' must be a list of texts, not {value!r:.40}", place)
    return [*value]


def _text(value: Any, key: str, place: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"'{key}' must be text, not {value!r:.40}", place)
    return value
