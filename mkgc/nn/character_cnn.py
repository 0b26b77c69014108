"""What a word's characters say, by a convolution over them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.app.ranges import Count, PartialShare
from mkgc.batch import CHARACTERS
from mkgc.errors import ConfigError


class CharacterCnn(nn.Module):
    """Embeds the characters of a word, convolves windows of them, and keeps each filter's highest value.

    A token without characters gets zeros.

    Source: Ma and Hovy (2016), section 2.1 and figure 1 (after Chiu and Nichols, 2016); sizes and initial spread are
    their section 3. Here characters are bytes of UTF-8, the same for English.

    Raises:
        ConfigError: The window has no middle.
    """

    def __init__(self, dim: Count = 30, filters: Count = 30, window: Count = 3, dropout: PartialShare = 0.5) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ConfigError(f"backbone.text.characters.window={window}: an odd number, so that one is in the middle")
        self.width = filters
        self.sizes = {"dim": dim, "filters": filters, "window": window, "dropout": dropout}
        self.embeddings = nn.Embedding(CHARACTERS, dim, padding_idx=0)
        spread = math.sqrt(3 / dim)
        nn.init.uniform_(self.embeddings.weight[1:], -spread, spread)
        self.dropout = nn.Dropout(dropout)
        self.convolve = nn.Conv1d(dim, filters, window, padding=window // 2)

    def forward(self, characters: Int[Tensor, "B T C"]) -> Float[Tensor, "B T W"]:
        words = characters.flatten(0, 1)
        embedded = self.dropout(self.embeddings(words))
        there = words[:, None] > 0
        found = self.convolve(embedded.mT).masked_fill(~there, -torch.inf).amax(2)
        return torch.where(there.any(2), found, 0).unflatten(0, characters.shape[:2])
