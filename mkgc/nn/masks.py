"""Attention masks: [B S], the same for all queries, or [B Q S], a row for each query; True may be attended."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def per_query(mask: Bool[Tensor, "B *Q S"]) -> Bool[Tensor, "B q S"]:
    """The mask with an axis for queries, of size 1 where all share one row."""
    return mask if mask.ndim == 3 else mask[:, None]


def present(mask: Bool[Tensor, "B *Q S"]) -> Bool[Tensor, "B S"]:
    """The positions that exist for other streams: those that any query may attend to."""
    return mask if mask.ndim == 2 else mask.any(1)


def concat_masks(first: Bool[Tensor, "B *Q S"], second: Bool[Tensor, "B *R P"]) -> Bool[Tensor, "B *q n"]:
    """The mask of keys that stand one behind the other, for the same queries."""
    if first.ndim == second.ndim == 2:
        return torch.cat([first, second], 1)
    masks = per_query(first), per_query(second)
    rows = max(mask.shape[1] for mask in masks)
    return torch.cat([mask.expand(-1, rows, -1) for mask in masks], 2)


def joint_mask(first: Bool[Tensor, "B *Q S"], second: Bool[Tensor, "B *R P"]) -> Bool[Tensor, "B *q n"]:
    """The mask of two sequences that became one: each sees of the other whatever is present."""
    if first.ndim == second.ndim == 2:
        return torch.cat([first, second], 1)
    above = concat_masks(per_query(first).expand(-1, first.shape[-1], -1), present(second))
    below = concat_masks(present(first), per_query(second).expand(-1, second.shape[-1], -1))
    return torch.cat([above, below], 1)


def masked_softmax(scores: Float[Tensor, "B Q S"], mask: Bool[Tensor, "B *Q S"]) -> Float[Tensor, "B Q S"]:
    """The softmax over what may be attended; zeros where that is nothing."""
    mask = per_query(mask)
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
