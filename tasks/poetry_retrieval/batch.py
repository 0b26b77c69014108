"""Batches of poems with all pictures that are ranked for them, and the judgements of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.cutting import Cut
from mkgc.data.examples import ImagePaths
from tasks.poetry_pretraining.batch import PoemFeatures


@dataclass(frozen=True)
class JudgedFeatures:
    """A poem by its number, with judgements by the rows of candidates; ``teacher`` is the teacher's vector of it."""

    poem: PoemFeatures
    number: int
    judgements: Mapping[int, float]
    teacher: Float[Tensor, " F"]
    images: ImagePaths = field(default_factory=dict)

    @property
    def ids(self) -> list[int]:
        """The pieces of text and branches."""
        return self.poem.ids

    @property
    def cut(self) -> Cut | None:
        """What of the text was not read."""
        return self.poem.cut


@dataclass(frozen=True)
class Asked:
    """A user's poem, with pictures that are to be ranked for it, if any; ``names`` are what the record calls them."""

    text: str
    names: Sequence[str]
    images: ImagePaths
    cut: Cut | None = None
    words: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class JudgedBatch(Part):
    """Poems, numbered, with the teacher's vectors of them and of all ``candidates``.

    ``judged`` are pairs of a row of the batch and a candidate, ``grades`` their judgements.
    """

    text: Text
    numbers: Int[Tensor, " B"]
    teacher: Float[Tensor, "B F"]
    candidates: Float[Tensor, "N F"]
    judged: Int[Tensor, "J 2"]
    grades: Float[Tensor, " J"]
    images: tuple[Images, ...] = ()
