"""Self-adversarial negative sampling: the negatives that the model believes in most weigh most."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def self_adversarial(
    positive: Float[Tensor, " B"],
    negative: Float[Tensor, "B K"],
    margin: float = 9.0,
    temperature: float = 1.0,
) -> Float[Tensor, " B"]:
    """Logistic losses of the scores (negative distances) plus ``margin``, half for positives and half for negatives.

    One for each triple. Its negatives weigh as the softmax of ``temperature`` times their scores, to which no gradient
    flows; 0 is plain negative sampling.

    Source: Sun et al. (2019), "RotatE", eq. 5 and 6; halves as in the released code.
    """
    shares = (temperature * negative.detach()).softmax(dim=1)
    return -(F.logsigmoid(margin + positive) + (shares * F.logsigmoid(-margin - negative)).sum(1)) / 2
