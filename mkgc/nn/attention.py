"""Attention as modules without parameters: forward hooks see what was asked of what, and weights can be asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from mkgc.nn.masks import masked_softmax, per_query, present
from mkgc.nn.streams import KeyValue


def split_heads(x: Float[Tensor, "B S A"], heads: int) -> Float[Tensor, "B H S d"]:
    """Divides the last dimension among the heads."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Float[Tensor, "B H S d"]) -> Float[Tensor, "B S A"]:
    """Undoes :func:`split_heads`."""
    return x.transpose(1, 2).flatten(-2)


def gather_positions(x: Shaped[Tensor, "B S *D"], position_ids: Int[Tensor, " B"] | None) -> Shaped[Tensor, "B Q *D"]:
    """One position of each row, as the only one; without ``position_ids`` all of them."""
    return x if position_ids is None else x[torch.arange(len(x), device=x.device), position_ids][:, None]


def gather_mask(mask: Bool[Tensor, "B *Q T"], position_ids: Int[Tensor, " B"] | None) -> Bool[Tensor, "B *q t"]:
    """The mask of what :func:`gather_positions` gathers: whether each position exists; without any, the same mask."""
    return mask if position_ids is None else gather_positions(present(mask), position_ids)


class Attention(nn.Module):
    """Scaled dot-product attention of queries over keys and values that are split into heads.

    A query whose keys are all masked attends everywhere instead: its output is finite and is to be masked by whoever
    reads it.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, query: Float[Tensor, "B H Q d"], key_value: KeyValue) -> Float[Tensor, "B H Q d"]:
        dropout = self.dropout if self.training else 0.0
        mask = self._mask(key_value)
        return F.scaled_dot_product_attention(query, key_value.key, key_value.value, mask, dropout_p=dropout)

    def weights(self, query: Float[Tensor, "B H Q d"], key_value: KeyValue) -> Float[Tensor, "B H Q S"]:
        """Computes the softmax weights that :meth:`forward` gives the values, before dropout."""
        similarity = query @ key_value.key.transpose(-1, -2) * query.shape[-1] ** -0.5
        return similarity.masked_fill(~self._mask(key_value), -torch.inf).softmax(-1)

    def _mask(self, key_value: KeyValue) -> Bool[Tensor, "B 1 q S"]:
        mask = per_query(key_value.mask)
        return (mask | ~mask.any(-1, keepdim=True))[:, None]


class Correlation(nn.Module):
    """Each query's mean of the side states, weighted by the softmax of their dot products; zero with nothing to see.

    Source: MKGformer (Chen et al., 2022), equations 13 and 14: S = x_t x_v^T, unscaled, Agg = softmax(S) x_v.
    """

    def forward(
        self, query: Float[Tensor, "B T D"], side: Float[Tensor, "B V D"], mask: Bool[Tensor, "B *Q V"]
    ) -> Float[Tensor, "B T D"]:
        return self.weights(query, side, mask) @ side

    def weights(
        self, query: Float[Tensor, "B T D"], side: Float[Tensor, "B V D"], mask: Bool[Tensor, "B *Q V"]
    ) -> Float[Tensor, "B T V"]:
        """Computes the softmax weights that :meth:`forward` gives the side states."""
        return masked_softmax(query @ side.transpose(1, 2), mask)
