"""BERT's masked language model head over the rows of an embedding: words, or entities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.nn.embeddings import ExtendedEmbedding, some_rows
from mkgc.nn.full_products import full_products


class MaskedLM(nn.Module):
    """Scores each row of ``table`` for a state: LN(gelu(W h)) · row + bias; the rows stay those of the input.

    ``bias`` is what every row's begins with.

    Source: BERT (Devlin et al., 2019), as in its released code.
    """

    table: nn.Embedding | ExtendedEmbedding

    def __init__(self, width: int, table: nn.Embedding | ExtendedEmbedding, bias: float = 0.0) -> None:
        super().__init__()
        self.table = table
        self.dense = nn.Linear(width, table.weight.shape[1])
        self.norm = nn.LayerNorm(table.weight.shape[1], eps=1e-12)
        self.bias = nn.Parameter(torch.full(table.weight.shape[:1], bias))

    def forward(self, states: Float[Tensor, "K D"]) -> Float[Tensor, "K N"]:
        return self.score(self.transform(states))

    def transform(self, states: Float[Tensor, "K D"]) -> Float[Tensor, "K E"]:
        """Computes what is compared with the rows."""
        return self.norm(F.gelu(self.dense(states)))

    def score(self, transformed: Float[Tensor, "K E"], rows: slice = slice(None)) -> Float[Tensor, "K n"]:
        """Computes the scores of some rows, in the table's precision."""
        return full_products(transformed, some_rows(self.table.weight, rows), some_rows(self.bias, rows))
