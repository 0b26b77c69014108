"""A pooled state as a direction in a space that several encoders share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """A linear map, then division by the L2 norm; both in the precision of the weights, also under autocast.

    Products of directions are compared with each other, and bfloat16 has eight bits. Only behind attention pooling has
    the map a ``bias``.

    Source: CLIP (Radford et al., 2021), with the initial spread of its released code.
    """

    def __init__(self, width: int, dim: int, bias: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim, bias=bias)
        nn.init.normal_(self.linear.weight, std=width**-0.5)
        if bias:
            nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Float[Tensor, "B W"]) -> Float[Tensor, "B D"]:
        with torch.autocast(pooled.device.type, enabled=False):
            return F.normalize(self.linear(pooled.to(self.linear.weight.dtype)), dim=-1)
