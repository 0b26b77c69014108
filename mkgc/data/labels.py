"""What entities or relations are called: names in several languages, and aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEFAULT = "default"
"""The language of a column that names none, where others do."""

Texts = Mapping[str, tuple[str, ...]]
"""Texts by language, parallel to the ids; empty where an id has none in that language."""


@dataclass(frozen=True)
class Labels:
    """Names and descriptions by language, and ``aliases`` in any; all empty where ids have one name at most."""

    names: Texts = field(default_factory=dict)
    descriptions: Texts = field(default_factory=dict)
    aliases: tuple[tuple[str, ...], ...] = ()

    def synonyms(self) -> list[tuple[str, ...]]:
        """All that each id is called, in whatever language."""
        columns = [*self.names.values(), *([self.aliases] if self.aliases else [])]
        return [
            tuple(text for cell in row for text in ([cell] if isinstance(cell, str) else cell) if text)
            for row in zip(*columns, strict=True)
        ]

    def ordered(self, rows: Iterable[int]) -> Labels:
        """The same for ids in another order."""
        order = [*rows]
        names, descriptions = (
            {language: tuple(texts[i] for i in order) for language, texts in of_all.items()}
            for of_all in (self.names, self.descriptions)
        )
        return Labels(names, descriptions, tuple(self.aliases[i] for i in order) if self.aliases else ())

    def state(self) -> dict[str, Any]:
        """Plain values of what a prediction needs: names and aliases."""
        names = {language: list(texts) for language, texts in self.names.items()}
        return {"names": names, "aliases": [list(more) for more in self.aliases]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Labels:
        """Undoes :meth:`state`."""
        names = {language: tuple(texts) for language, texts in state["names"].items()}
        return cls(names, aliases=tuple(tuple(more) for more in state["aliases"]))


def in_language(texts: Texts, language: str | None, otherwise: Sequence[str]) -> tuple[str, ...]:
    """The texts of one language, with others where it has none."""
    if language is None or language not in texts:
        return tuple(otherwise)
    return tuple(own or other for own, other in zip(texts[language], otherwise, strict=True))
