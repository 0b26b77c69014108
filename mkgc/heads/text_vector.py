"""The state of a text's class token as a vector in the space of another model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class TextVector(nn.Module):
    """A transform as BERT's masked language model has one, then a linear map: W_2 LN(gelu(W_1 h)).

    The linear map is computed in the precision of the weights, also under autocast: vectors are compared with each
    other, and bfloat16 has eight bits.

    Source: the released code of PKG-Bert (liyuqing1/PKG-Bert), whose vector comes near a teacher's of the same text.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm: nn.Module = nn.LayerNorm(width, eps=1e-12)
        self.project = nn.Linear(width, dim)

    def forward(self, state: Float[Tensor, "B D"]) -> Float[Tensor, "B F"]:
        transformed = self.norm(F.gelu(self.dense(state)))
        with torch.autocast(state.device.type, enabled=False):
            return self.project(transformed.to(self.project.weight.dtype))
