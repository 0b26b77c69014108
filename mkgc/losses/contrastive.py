"""The symmetric contrastive loss of pairs, each against all others of its batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mkgc.nn.full_products import full_products


def contrastive_loss(
    text: Float[Tensor, "B D"], image: Float[Tensor, "B D"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Computes the mean cross-entropy of finding each text's image and each image's text, of normalised vectors.

    ``scale`` is the inverse of the temperature. Row ``i`` of the one belongs to row ``i`` of the other.

    Source: CLIP (Radford et al., 2021), figure 3.
    """
    logits = scale * full_products(text, image)
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
