"""KvsAll: every entity is an answer or is none, as a binary decision of its own."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def binary_kvsall(
    scores: Float[Tensor, "B N"],
    answers: tuple[Int[Tensor, " P"], Int[Tensor, " P"]],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean binary cross-entropy of all scores, with labels given as the answers' rows and columns, each once.

    With ``smoothing`` e, labels y become (1 - e) y + e / N. As the loss is softplus(s) - y s, labels of 0 need not be
    written down: there is no B x N matrix of labels.

    Source: Dettmers et al. (2018), "Convolutional 2D Knowledge Graph Embeddings".
    """
    total = F.softplus(scores).sum() - (1 - smoothing) * scores[answers].sum()
    if smoothing:
        total = total - smoothing / scores.shape[1] * scores.sum()
    return total / scores.numel()
