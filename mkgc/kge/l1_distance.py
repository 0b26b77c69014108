"""L1 distances of real and complex vectors, and their gradients, in a buffer that fits the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

BUFFER = {"cpu": 1 << 18, "cuda": 1 << 27}
"""Numbers in a buffer of differences: a megabyte suits a CPU's cache, half a gigabyte keeps an accelerator busy."""


def numbers_at_once(device: torch.device) -> int:
    """How many differences to compute before they are summed."""
    return BUFFER.get(device.type, BUFFER["cpu"])


def all_distances(queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"], parts: int) -> Float[Tensor, "B N"]:
    """The L1 distance between each query and each row, without B x N x W numbers.

    With two ``parts``, vectors are complex: their first halves are real and their second halves imaginary parts, and
    the distance sums the moduli of the differences. At a difference of 0 the gradient is 0.
    """
    return _AllDistances.apply(queries.to(table.dtype), table, parts)


class _AllDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, table: Tensor, parts: int) -> Tensor:
        ctx.save_for_backward(queries, table)
        ctx.parts = parts
        distances = queries.new_empty(len(queries), len(table))
        for rows, difference in _differences(queries, table):
            distances[:, rows] = moduli_(difference, parts).sum(-1)
        return distances

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        queries, table = ctx.saved_tensors
        to_queries, to_table = torch.zeros_like(queries), torch.empty_like(table)
        for rows, difference in _differences(queries, table):
            pull = moduli_gradient_(difference, ctx.parts).mul_(grads[0][:, rows, None])
            to_queries += pull.sum(1)
            to_table[rows] = pull.sum(0)
        return to_queries, to_table.neg_(), None


def _differences(
    queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"]
) -> Iterator[tuple[slice, Float[Tensor, "B n W"]]]:
    """Queries minus some rows at a time, in one buffer that the caller may write to."""
    step = max(1, numbers_at_once(table.device) // max(1, queries.numel()))
    buffer = table.new_empty(queries.numel() * min(step, len(table)))
    for start in range(0, len(table), step):
        part = table[start : start + step]
        difference = buffer[: queries.numel() * len(part)].view(len(queries), len(part), table.shape[1])
        yield slice(start, start + len(part)), torch.sub(queries[:, None], part, out=difference)


def moduli_(difference: Float[Tensor, "b K W"], parts: int) -> Float[Tensor, "b K L"]:
    """The absolute values of numbers or of complex numbers; overwrites the differences."""
    if parts == 1:
        return difference.abs_()
    real, imaginary = difference.square_().chunk(2, dim=-1)
    return real.add_(imaginary).sqrt_()


def moduli_gradient_(difference: Float[Tensor, "b K W"], parts: int) -> Float[Tensor, "b K W"]:
    """The gradient of the absolute values; overwrites the differences."""
    if parts == 1:
        return difference.sign_()
    real, imaginary = difference.chunk(2, dim=-1)
    moduli = (real * real).addcmul_(imaginary, imaginary).sqrt_().clamp_min_(torch.finfo(difference.dtype).tiny)
    real.div_(moduli)
    imaginary.div_(moduli)
    return difference
