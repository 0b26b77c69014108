"""Vectors of complex numbers as real vectors: all real parts, then all imaginary parts."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def multiply(
    left: Float[Tensor, "B W"], right: Float[Tensor, "B W"], conjugate: Bool[Tensor, " B"]
) -> Float[Tensor, "B W"]:
    """The product, number by number, of ``left`` with ``right`` or, in some rows, with the conjugate of ``right``."""
    a, b = left.chunk(2, dim=-1)
    c, d = right.chunk(2, dim=-1)
    d = torch.where(conjugate[:, None], -d, d)
    return torch.cat([a * c - b * d, a * d + b * c], dim=-1)


def moduli(vectors: Float[Tensor, "*B W"]) -> Float[Tensor, "*B D"]:
    """The absolute values of the numbers; the gradient at 0 is 0."""
    return torch.linalg.vector_norm(vectors.unflatten(-1, (2, -1)), dim=-2)
