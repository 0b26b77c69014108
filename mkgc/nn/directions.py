"""Several directions as one."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def directions_together(directions: Float[Tensor, "*B n D"]) -> Float[Tensor, "*B D"]:
    """The direction of the mean of some unit vectors; of one alone itself, bit for bit.

    Source: how CLIP joins the sentences about a class (Radford et al., 2021, section 3.1.4).
    """
    return directions[..., 0, :] if directions.shape[-2] == 1 else F.normalize(directions.mean(-2), dim=-1)
