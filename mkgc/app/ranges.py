"""Bounds of numbers in their declared types: ``Annotated[int, Range(1)]``, checked by :mod:`mkgc.app.config`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

LARGEST = 2**53
"""More of anything that is configured is a slip, and tensors could not count it."""


@dataclass(frozen=True)
class Range:
    """``least`` and ``most`` are allowed themselves, ``above`` and ``below`` are not; infinity never is."""

    least: int | float = -math.inf
    most: int | float = math.inf
    above: int | float = -math.inf
    below: int | float = math.inf

    def holds(self, value: object) -> bool:
        """Whether a value is a finite number within the bounds; what is no number is not judged."""
        if not isinstance(value, int | float):
            return True
        if (isinstance(value, float) and not math.isfinite(value)) or abs(value) > LARGEST:
            return False
        return self.least <= value <= self.most and self.above < value < self.below

    def __str__(self) -> str:
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"between {_said(self.least)} and {_said(self.most)}"
        bounds = {"of at least": self.least, "above": self.above, "of at most": self.most, "below": self.below}
        return " and ".join(f"{word} {_said(bound)}" for word, bound in bounds.items() if math.isfinite(bound))


def _said(bound: int | float) -> str:
    return f"{bound:.0f}" if float(bound).is_integer() else f"{bound}"


Count = Annotated[int, Range(least=1)]
Natural = Annotated[int, Range(least=0)]
Seed = Annotated[int, Range(0, 2**32 - 1)]
Port = Annotated[int, Range(0, 2**16 - 1)]
Share = Annotated[float, Range(0, 1)]
PartialShare = Annotated[float, Range(least=0, below=1)]
Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(least=0)]
