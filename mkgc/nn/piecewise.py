"""The maximum of states in each of the three pieces into which two places cut a sequence."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def piecewise_max(
    states: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"], places: Int[Tensor, "B 2"]
) -> Float[Tensor, "B 3 D"]:
    """The highest value of each feature up to the first place, from there to the second, and behind it.

    The places may come in any order, each belonging to the piece before it; zeros stand for a piece without a state.

    Source: piecewise max pooling of PCNN (Zeng et al., 2015), section 3.3.
    """
    first, second = places.amin(1, keepdim=True), places.amax(1, keepdim=True)
    at = torch.arange(states.shape[1], device=states.device)
    piece = (at > first).long() + (at > second)
    inside = mask[:, :, None] & (piece[:, :, None] == torch.arange(3, device=states.device))  # [B T 3]
    highest = states[:, :, None].masked_fill(~inside[..., None], torch.finfo(states.dtype).min).amax(1)
    return torch.where(inside.any(1)[..., None], highest, 0)
