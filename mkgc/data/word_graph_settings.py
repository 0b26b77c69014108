"""The user's settings of the graph of words that sentence trees are made with."""

from __future__ import annotations

from dataclasses import dataclass

from mkgc.data.carried_settings import CarriedSettings
from mkgc.errors import ConfigError


@dataclass(frozen=True)
class WordGraphSettings(CarriedSettings):
    """Where a graph of words lies, and how much of it a sentence is given.

    A word of a sentence gets its ``max_neighbours`` heaviest neighbours as branches, and shows its ``max_images``
    heaviest images.

    Raises:
        ConfigError: A number is negative, or no image is left.
    """

    part = "word_graph"
    max_neighbours: int = 2
    max_images: int = 10

    def __post_init__(self) -> None:
        for name, least in (("max_neighbours", 0), ("max_images", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.word_graph.{name}={getattr(self, name)} must be at least {least}")
