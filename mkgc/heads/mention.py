"""Classification of one mention in a text."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

MentionPooling = Literal["first", "mean", "cls"]


class MentionClassifier(nn.Module):
    """Scores every class for each text with one linear layer over the state of a mention.

    ``pooling="first"`` reads the first token of the mention's span, as KLMo does (He et al., 2021, section 4.2), which
    is its opening marker where there are markers (as ERNIE's [ENT]: Zhang et al., 2019, section 3.5); ``"mean"`` the
    mean over the span; ``"cls"`` the first token of the text.
    """

    def __init__(self, width: int, classes: int, pooling: MentionPooling = "first", dropout: float = 0.0) -> None:
        super().__init__()
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, states: Float[Tensor, "B T D"], spans: Int[Tensor, "B 2"]) -> Float[Tensor, "B C"]:
        return self.classifier(self.dropout(self.pool(states, spans)))

    def pool(self, states: Float[Tensor, "B T D"], spans: Int[Tensor, "B 2"]) -> Float[Tensor, "B D"]:
        """The vector of each mention, whose span is half-open and not empty."""
        if self.pooling == "cls":
            return states[:, 0]
        if self.pooling == "first":
            return states[torch.arange(len(states), device=states.device), spans[:, 0]]
        at = torch.arange(states.shape[1], device=states.device)
        inside = (at >= spans[:, :1]) & (at < spans[:, 1:])  # [B T]
        return (states * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)
