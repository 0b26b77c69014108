"""Margin ranking: a triple should score higher than its corruptions by a margin."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def margin_ranking(
    positive: Float[Tensor, " B"], negative: Float[Tensor, "B K"], margin: float = 1.0
) -> Float[Tensor, " B"]:
    """For each triple, the mean over its negatives of what one lacks to be ``margin`` below its positive.

    Source: Bordes et al. (2013), "Translating Embeddings for Modeling Multi-relational Data", eq. 1.
    """
    return F.relu(margin + negative - positive[:, None]).mean(1)
