"""A pooled state as a direction in a space that several encoders share."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """A linear map without bias, then division by the L2 norm.

    Source: CLIP (Radford et al., 2021), with the initial spread of its released code.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.linear.weight, std=width**-0.5)

    def forward(self, pooled: Float[Tensor, "B W"]) -> Float[Tensor, "B D"]:
        return F.normalize(self.linear(pooled), dim=-1)
