"""How far directions are apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def cosine_distance(vectors: Float[Tensor, "B D"], others: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """One minus the cosine of each pair, in single precision at least.

    >>> cosine_distance(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    tensor([0., 1.])
    """
    dtype = torch.promote_types(vectors.dtype, torch.float32)
    return 1 - F.cosine_similarity(vectors.to(dtype), others.to(dtype), dim=-1)
