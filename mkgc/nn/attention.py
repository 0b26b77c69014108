"""Multi-head attention as two steps, project and mix, so that fusions can put other keys and values in between."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

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


def attention(query: Float[Tensor, "B H Q d"], key_value: KeyValue, dropout: float = 0.0) -> Float[Tensor, "B H Q d"]:
    """Scaled dot-product attention of the queries over a memory.

    A row of the batch whose memory is masked throughout attends everywhere instead: its output is finite and is to be
    masked by whoever reads it.
    """
    nothing = ~key_value.mask.any(-1, keepdim=True)
    mask = (key_value.mask | nothing)[:, None, None, :]
    return F.scaled_dot_product_attention(query, key_value.key, key_value.value, mask, dropout_p=dropout)


def aggregate(
    query: Float[Tensor, "B T D"], side: Float[Tensor, "B V D"], mask: Bool[Tensor, "B V"]
) -> Float[Tensor, "B T D"]:
    """Each query's mean of the side states, weighted by the softmax of their dot products; zero with nothing to see.

    Source: MKGformer (Chen et al., 2022), equations 13 and 14: S = x_t x_v^T, unscaled, Agg = softmax(S) x_v.
    """
    similarity = query @ side.transpose(1, 2)
    similarity = similarity.masked_fill(~mask[:, None, :], torch.finfo(similarity.dtype).min)
    weights = similarity.softmax(-1) * mask[:, None, :]
    return weights @ side
