"""The streams between layers: the text stream, the side stream, and keys with values for attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.nn.masks import concat_masks

TEXT, SIDE, MENTIONS = "text", "side", "mentions"
"""The streams of a model that heads may read: tokens, what stands beside them, and what the text mentions of it."""


@dataclass(frozen=True)
class KeyValue:
    """Keys and values of one attention, split into heads; ``mask`` is True where they may be attended."""

    key: Float[Tensor, "B H S d"]
    value: Float[Tensor, "B H S d"]
    mask: Bool[Tensor, "B *Q S"]

    def concat(self, other: KeyValue) -> KeyValue:
        """These keys and values as a prefix of the other's."""
        return KeyValue(
            torch.cat([self.key, other.key], dim=2),
            torch.cat([self.value, other.value], dim=2),
            concat_masks(self.mask, other.mask),
        )


@dataclass(frozen=True)
class Attended:
    """The outcome of a layer's attention, for all positions or for the one of each row that was asked for.

    ``context`` is what the heads returned, joined, before the output projection; ``state`` is the layer's residual
    stream after it; ``key_value`` holds the keys and values that the layer made of its input, and which of them exist.
    """

    state: Float[Tensor, "B Q D"]
    context: Float[Tensor, "B Q A"]
    key_value: KeyValue


@dataclass(frozen=True)
class Streams:
    """States of both streams after a layer.

    ``side`` has no columns where nothing beside the text is read. ``key_value`` are the keys and values of the text
    layer that came last, for fusions that reach back to them; ``unimodal`` are states of the text alone, for an
    auxiliary loss.

    ``spans`` are the ranges of tokens that mention the first nodes of a graph beside the text, where one is read, and
    ``mentions`` the states of these mentions: what a layer that joins text and graph has made of them.
    """

    text: Float[Tensor, "B T D"]
    text_mask: Bool[Tensor, "B *Q T"]
    side: Float[Tensor, "B V W"]
    side_mask: Bool[Tensor, "B *R V"]
    key_value: KeyValue | None = None
    unimodal: Float[Tensor, "B T U"] | None = None
    spans: Int[Tensor, "B M 2"] | None = None
    mentions: Float[Tensor, "B M D"] | None = None


def mentions_of(x: Streams) -> Int[Tensor, "B M 2"]:
    """The spans of a text's mentions; none where no graph is read."""
    return torch.zeros(len(x.text), 0, 2, dtype=torch.long, device=x.text.device) if x.spans is None else x.spans
