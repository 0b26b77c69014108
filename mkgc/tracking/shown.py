"""A test example as a tracker shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHOWN = 48
"""Predictions that are shown, spread over the test split."""


@dataclass(frozen=True)
class Shown:
    """A test example as it is shown."""

    id: str
    text: str
    gold: str
    predicted: str
    score: float | None
    images: tuple[Path, ...]

    @property
    def right(self) -> bool:
        """Whether it was predicted as it should be."""
        return self.gold == self.predicted
