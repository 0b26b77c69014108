"""Tensors of all processes that train together, in each of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def process_rank() -> int:
    """The number of this process among those that train together."""
    return dist.get_rank() if _several() else 0


def gathered(x: Tensor) -> Tensor:
    """The rows of all processes, in their order; the gradient of each process's own rows is the sum of all processes'.

    Every process must have as many rows. In one process it is the tensor itself.
    """
    return _Gathered.apply(x) if _several() else x


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
