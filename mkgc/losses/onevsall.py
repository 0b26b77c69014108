"""1vsAll: the answer of a triple against all entities."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def one_vs_all(scores: Float[Tensor, "B N"], targets: Int[Tensor, " B"], smoothing: float = 0.0) -> Float[Tensor, ""]:
    """The mean cross-entropy of the softmax over all entities; ``smoothing`` spreads that share of 1 over all of them.

    Source: Lacroix et al. (2018), "Canonical Tensor Decomposition for Knowledge Base Completion".
    """
    return F.cross_entropy(scores, targets, label_smoothing=smoothing)
