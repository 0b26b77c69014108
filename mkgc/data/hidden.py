"""The hidden pieces of texts: what they are drawn by, and a batch of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Part


class Draw(NamedTuple):
    """What a text's generator is made of: the same in whatever process, worker and batch it is read."""

    seed: int
    epoch: int
    row: int

    def generator(self) -> np.random.Generator:
        return np.random.default_rng(self)


@dataclass(frozen=True)
class HiddenPieces(Part):
    """The places of hidden pieces, counted through all texts of the batch, and what they are."""

    places: Int[Tensor, " K"]
    targets: Int[Tensor, " K"]


def collate_hidden(targets: Sequence[Mapping[int, int]], width: int) -> HiddenPieces:
    """The hidden pieces of texts that are padded to a width; of each text, what is hidden by its place."""
    rows = [(row * width + place, piece) for row, one in enumerate(targets) for place, piece in one.items()]
    places, pieces = torch.tensor(rows, dtype=torch.long).view(-1, 2).T
    return HiddenPieces(places, pieces)
