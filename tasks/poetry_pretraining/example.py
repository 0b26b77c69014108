"""A poem, and the records in which poems are written: one's own, and chinese-poetry's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from mkgc.data.examples import ImagePaths

DIVIDER = "|"
"""Stands between a poem's title and its lines, as in PKG-Bert's texts."""


@dataclass(frozen=True)
class PoemExample:
    """A poem; ``title`` and ``author`` are empty where they are not known."""

    id: str = field(compare=False)
    title: str
    author: str
    lines: tuple[str, ...]
    images: ImagePaths = field(default_factory=dict, compare=False)

    @cached_property
    def text(self) -> str:
        """The text that is read: title and lines."""
        body = "".join(self.lines)
        return f"{self.title}{DIVIDER}{body}" if self.title else body

    @property
    def tokens(self) -> tuple[str, ...]:
        """The characters of the text."""
        return tuple(self.text)
