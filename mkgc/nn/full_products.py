"""Products whose values are compared with each other: never rounded below their table's precision."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def full_products(
    queries: Float[Tensor, "*shape W"], table: Float[Tensor, "N W"], bias: Float[Tensor, " N"] | None = None
) -> Float[Tensor, "*shape N"]:
    """The product of each query with each row of a table, plus the row's bias, in the table's precision.

    Autocast would round scores to the eight bits of bfloat16: of thousands of entities, many would then share a score.
    """
    with torch.autocast(queries.device.type, enabled=False):
        return F.linear(queries.to(table.dtype), table, bias)
