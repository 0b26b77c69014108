"""Classification of a pair of mentions in a text."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.nn.piecewise import piecewise_max
from mkgc.nn.span_pooling import SpanPooling, span_mask

Pooling = Literal["markers", "cls", "piecewise", "max"]
"""What is classified of a text in which two tokens are named."""

STATES = {"markers": 2, "cls": 1, "piecewise": 3, "max": 1, "spans": 2}
"""How many states of a text are classified."""


class PairClassifier(nn.Module):
    """Scores every class for each text with one linear layer over its states.

    ``pooling="markers"`` reads the states at both mentions' opening markers, as the released code of MKGformer does
    (and MTB: Baldini Soares et al., 2019, section 3.2, ENTITY START), or at whatever tokens are named; ``"cls"`` reads
    the first token's, as MKGformer's paper writes it (section 3.3); ``"piecewise"`` the hyperbolic tangent of the
    maxima of three pieces, as PCNN does (Zeng et al., 2015, section 3.3); ``"max"`` the same of the whole text, as the
    CNN before it (Zeng et al., 2014, section 3.5); ``"spans"`` both mentions as
    :class:`mkgc.nn.span_pooling.SpanPooling` pools their tokens, whose half-open spans are given instead of markers.

    Raises:
        ConfigError: There is no such pooling.
    """

    def __init__(
        self, width: int, classes: int, pooling: Pooling | Literal["spans"] = "markers", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if pooling not in STATES:
            raise ConfigError(f"task.model.pooling={pooling}: choose markers, cls, piecewise, max or spans")
        self.pooling = pooling
        self.span_pooling = SpanPooling(width) if pooling == "spans" else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(STATES[pooling] * width, classes)

    def forward(
        self, states: Float[Tensor, "B T D"], markers: Int[Tensor, "B 2 *E"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B C"]:
        return self.classify(self.pool(states, markers, mask))

    def classify(self, vectors: Float[Tensor, "B P"]) -> Float[Tensor, "B C"]:
        """The scores of texts by the vectors that :meth:`pool` makes."""
        return self.classifier(self.dropout(vectors))

    def pool(
        self, states: Float[Tensor, "B T D"], markers: Int[Tensor, "B 2 *E"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B P"]:
        """The vector of each text that is classified."""
        if self.pooling == "cls":
            return states[:, 0]
        if self.span_pooling is not None:
            return self.span_pooling(states, span_mask(markers, states.shape[1]) & mask[:, None]).flatten(1)
        if self.pooling == "piecewise":
            return piecewise_max(states, mask, markers).flatten(1).tanh()
        if self.pooling == "max":
            return states.masked_fill(~mask[..., None], torch.finfo(states.dtype).min).amax(1).tanh()
        rows = torch.arange(len(states), device=states.device)[:, None]
        return states[rows, markers].flatten(1)
