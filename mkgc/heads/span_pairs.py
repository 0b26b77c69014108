"""Classification of pairs among the mentions of a text, of which there may be many."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SpanPairClassifier(nn.Module):
    """Scores every class for pairs of mentions: W LN(gelu(V [h; t])) of the states of head and tail.

    With a linear layer alone, a score would be a sum of what head and tail say each: of a text with several mentions,
    it could not say which of them go together. ``bias`` is what every class's begins with.

    Source: KLMo (He et al., 2021), section 3, the relation prediction objective; the paper does not give the layers.
    They are those of BERT's masked language model (:class:`mkgc.heads.masked_lm.MaskedLM`).
    """

    def __init__(self, width: int, classes: int, dropout: float = 0.0, bias: float = 0.0) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)
        nn.init.constant_(self.classifier.bias, bias)

    def forward(self, ends: Float[Tensor, "P 2 D"]) -> Float[Tensor, "P C"]:
        return self.classifier(self.dropout(self.norm(F.gelu(self.dense(ends.flatten(1))))))
