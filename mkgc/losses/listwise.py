"""The loss of a whole ranking."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def listwise_loss(scores: Float[Tensor, "Q N"], gains: Float[Tensor, "Q N"]) -> Float[Tensor, ""]:
    """The mean cross-entropy between the gains of candidates, as shares of all of a query's, and the scores' softmax.

    Queries without any gain count for nothing; without any other, the loss is 0.

    Source: ListNet's top-one probability (Cao et al., 2007), with the gains themselves as the target.

    >>> gains = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    >>> round(float(listwise_loss(torch.zeros(2, 4), gains).exp()), 4)
    4.0
    """
    totals = gains.sum(1)
    asking = (totals > 0).to(scores.dtype)
    target = gains / totals.clamp(min=torch.finfo(gains.dtype).tiny)[:, None]
    each = -(target * scores.log_softmax(1)).sum(1)
    return (each * asking).sum() / asking.sum().clamp(min=1)
