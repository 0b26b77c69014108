"""What a word's characters say, by a bidirectional LSTM over them."""

from __future__ import annotations

import math

from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.app.ranges import Count
from mkgc.batch import CHARACTERS
from mkgc.nn.lstm import BiLstm


class CharacterLstm(nn.Module):
    """Embeds the characters of a word and joins the last states of two LSTMs, which read it from either end.

    A token without characters gets zeros.

    Source: Lample et al. (2016), section 4.1 and figure 4; sizes are their section 5.1. Here characters are bytes of
    UTF-8, the same for English.
    """

    def __init__(self, dim: Count = 25, hidden: Count = 25) -> None:
        super().__init__()
        self.sizes = {"dim": dim, "hidden": hidden}
        self.embeddings = nn.Embedding(CHARACTERS, dim, padding_idx=0)
        spread = math.sqrt(3 / dim)
        nn.init.uniform_(self.embeddings.weight[1:], -spread, spread)
        self.lstm = BiLstm(dim, hidden)
        self.width = self.lstm.width

    def forward(self, characters: Int[Tensor, "B T C"]) -> Float[Tensor, "B T W"]:
        words = characters.flatten(0, 1)
        there = words > 0
        said = self.lstm.ends(self.embeddings(words), there) * there[:, :1]
        return said.unflatten(0, characters.shape[:2])
