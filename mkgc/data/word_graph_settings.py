"""The user's settings of the graph of words that sentence trees are made with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mkgc.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class WordGraphSettings:
    """Where a graph of words lies, and how much of it a sentence is given.

    A word of a sentence gets its ``max_neighbours`` heaviest neighbours as branches, and shows its ``max_images``
    heaviest images.

    Raises:
        ConfigError: A number is negative, or no image is left.
    """

    root: str
    max_neighbours: int = 2
    max_images: int = 10

    def __post_init__(self) -> None:
        for name, least in (("max_neighbours", 0), ("max_images", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.word_graph.{name}={getattr(self, name)} must be at least {least}")

    def carried(self) -> dict[str, Any]:
        """The settings that a model keeps, wherever its graph lies."""
        return {name: value for name, value in asdict(self).items() if name != "root"}

    @classmethod
    def from_carried(cls, values: dict[str, Any]) -> WordGraphSettings:
        """Undoes :meth:`carried`; the graph lies nowhere.

        Raises:
            CheckpointError: The values name a place.
        """
        if "root" in values:
            raise CheckpointError("the checkpoint's processor names a place of files, 'word_graph.root'")
        return cls(root="", **values)
