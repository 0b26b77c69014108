"""Classification of pairs among the mentions of a text, of which there may be many."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class SpanPairClassifier(nn.Module):
    """Scores every class for pairs of a text's mentions: one linear layer over the states of head and tail.

    The states are a model's of mentions (:attr:`mkgc.nn.streams.Streams.mentions`), or pooled ones
    (:class:`mkgc.nn.span_pooling.SpanPooling`). Pairs that pad a batch may name any mention.

    Source: KLMo (He et al., 2021), section 3, the relation prediction objective.
    """

    def __init__(self, width: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * width, classes)

    def forward(self, mentions: Float[Tensor, "B M D"], pairs: Int[Tensor, "B P 2"]) -> Float[Tensor, "B P C"]:
        rows = torch.arange(len(mentions), device=mentions.device)[:, None, None]
        return self.classifier(self.dropout(mentions[rows, pairs].flatten(2)))
