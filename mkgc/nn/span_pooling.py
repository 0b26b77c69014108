"""States of spans of tokens: a weighted mean of each span's own."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.nn.masks import masked_softmax


def span_mask(spans: Int[Tensor, "B M 2"], length: int) -> Bool[Tensor, "B M T"]:
    """The tokens of each half-open span; a padded span is empty, and has none."""
    places = torch.arange(length, device=spans.device)
    return (places >= spans[..., :1]) & (places < spans[..., 1:])


def spread(states: Float[Tensor, "B M F"], inside: Bool[Tensor, "B M T"]) -> Float[Tensor, "B T F"]:
    """For each token the mean of the states of all spans that it lies in; zero where that is none."""
    weights = inside.to(states.dtype).transpose(1, 2)
    return weights @ states / weights.sum(-1, keepdim=True).clamp(min=1)


def first_states(states: Float[Tensor, "B T D"], spans: Int[Tensor, "B M 2"]) -> Float[Tensor, "B M D"]:
    """The state of each span's first token; a padded span has that of the text's."""
    return states.gather(1, spans[..., :1].expand(-1, -1, states.shape[-1]))


class SpanPooling(nn.Module):
    """Self-attentive pooling: the tokens' mean, weighted by a softmax over the span of a learned score of each token.

    Of an empty span it is zero.

    Source: Lee et al. (2017), "End-to-end Neural Coreference Resolution", section 4, the head-finding attention, with
    one linear layer as the score of a token, as in KnowBERT (Peters et al., 2019), section 3.4. It has no bias: a
    softmax would not show it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, states: Float[Tensor, "B T D"], inside: Bool[Tensor, "B M T"]) -> Float[Tensor, "B M D"]:
        return self.weights(states, inside) @ states

    def weights(self, states: Float[Tensor, "B T D"], inside: Bool[Tensor, "B M T"]) -> Float[Tensor, "B M T"]:
        """Computes the weight of each token in each span."""
        scores = self.score(states).transpose(1, 2)  # [B 1 T]
        return masked_softmax(scores.expand(-1, inside.shape[1], -1), inside)
