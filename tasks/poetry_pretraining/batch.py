"""Batches of poems as sentence trees, with their hidden pieces and their teacher's vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.batch import Images, Part, Text
from mkgc.data.cutting import Cut
from mkgc.data.examples import ImagePaths
from mkgc.data.hidden import Draw, HiddenPieces
from mkgc.data.sentence_tree import SentenceTree

MISSING = "□"
"""Stands for a character that is not known, as in editions of old texts: it is read as [MASK]."""


@dataclass(frozen=True)
class PoemFeatures:
    """A poem as a tree; ``missing`` are the places of its characters that are not known.

    With ``draw``, pieces are hidden as that says; ``teacher`` is the teacher's vector of the text, where it is to be
    learned. ``words`` say in an answer which words of the graph are read, ``asked`` which characters are missing.
    """

    tree: SentenceTree
    missing: tuple[int, ...] = ()
    draw: Draw | None = None
    teacher: Float[Tensor, " F"] | None = None
    cut: Cut | None = None
    words: Sequence[Mapping[str, Any]] = ()
    asked: Sequence[Mapping[str, Any]] = ()
    images: ImagePaths = field(default_factory=dict)

    @property
    def ids(self) -> list[int]:
        """The pieces of text and branches."""
        return [int(piece) for piece in self.tree.ids]


@dataclass(frozen=True)
class PoemBatch(Part):
    """Poems; ``teacher`` are the teacher's vectors of them, of no numbers where there is none."""

    text: Text
    hidden: HiddenPieces
    teacher: Float[Tensor, "B F"]
    images: tuple[Images, ...] = ()


def collate_teacher(rows: Sequence[Float[Tensor, " F"] | None]) -> Float[Tensor, "B F"]:
    """The teacher's vectors of a batch."""
    found = [row for row in rows if row is not None]
    return torch.stack(found) if len(found) == len(rows) and found else torch.empty(len(rows), 0)
