"""The nuclear 3-norm of a tensor decomposition, as a regulariser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def n3(factors: Sequence[Float[Tensor, "B _"]]) -> Float[Tensor, " B"]:
    """The sum of the factors' absolute values to the third power, for each triple of a batch.

    The factors are the vectors of heads, relations and tails, of complex numbers their moduli
    (:meth:`mkgc.kge.model.Scorer.factors`).

    Source: Lacroix et al. (2018), "Canonical Tensor Decomposition for Knowledge Base Completion", eq. 9 (weighted).
    """
    return torch.stack([factor.abs().pow(3).sum(1) for factor in factors]).sum(0)
