"""Comparisons of queries with a few rows of a table each, without a copy of those rows for every query.

Looking the rows up takes B x K x W numbers, several times with their gradients: far more time goes into moving them
than into arithmetic. Products and their gradients are sums over the table or over the queries, which torch's embedding
bags compute in place; distances go through a buffer that fits the cache, and are computed again for their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.kge.l1_distance import moduli_, moduli_gradient_, numbers_at_once


def sampled_products(
    queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"], candidates: Int[Tensor, "B K"], sparse: bool = False
) -> Float[Tensor, "B K"]:
    """The inner product of each query with its candidates' rows of the table.

    Raises:
        RuntimeError: A candidate is no row of the table.
    """
    _check(candidates, table)
    return _Products.apply(queries.to(table.dtype), table, candidates, sparse)


def sampled_squares(
    queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"], candidates: Int[Tensor, "B K"], sparse: bool = False
) -> Float[Tensor, "B K"]:
    """The squared L2 distance of each query from its candidates' rows of the table, but for rounding: from products.

    Raises:
        RuntimeError: A candidate is no row of the table.
    """
    _check(candidates, table)
    return _Squares.apply(queries.to(table.dtype), table, candidates, sparse)


def sampled_distances(
    queries: Float[Tensor, "B W"],
    table: Float[Tensor, "N W"],
    candidates: Int[Tensor, "B K"],
    parts: int,
    sparse: bool = False,
) -> Float[Tensor, "B K"]:
    """The L1 distance of each query from its candidates' rows of the table, of complex vectors with two ``parts``.

    At a difference of 0 the gradient is 0.

    Raises:
        RuntimeError: A candidate is no row of the table.
    """
    _check(candidates, table)
    return _Distances.apply(queries.to(table.dtype), table, candidates, parts, sparse)


def _check(candidates: Int[Tensor, "B K"], table: Float[Tensor, "N W"]) -> None:
    # Without it, the sums below would read whatever lies beside the table. An accelerator does not wait for the answer.
    inside = (candidates >= 0) & (candidates < len(table))
    torch._assert_async(inside.all(), "a candidate is no row of the table of entities")


Whole = Callable[[Tensor], Tensor]


def _touched(ctx: Any) -> tuple[Tensor, Tensor, Tensor, Whole]:
    """The tensors saved for the backward pass, and how the gradient of the table's rows becomes that of the table.

    Where gradients are sparse, the table is one of the candidates' rows, each once, for the backward pass alone.
    """
    queries, table, candidates = ctx.saved_tensors
    if not ctx.sparse:
        return queries, table, candidates, lambda gradient: gradient
    rows, places = candidates.unique(return_inverse=True)
    shape = table.shape
    return (
        queries,
        table[rows],
        places,
        lambda gradient: torch.sparse_coo_tensor(
            rows[None], gradient, shape, is_coalesced=True, check_invariants=False
        ),
    )


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, table: Tensor, candidates: Tensor, sparse: bool) -> Tensor:
        ctx.save_for_backward(queries, table, candidates)
        ctx.sparse = sparse
        return _products(queries, table, candidates)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        queries, table, candidates, whole = _touched(ctx)
        grad = grads[0].contiguous()
        to_queries, to_table = ctx.needs_input_grad[:2]
        return (
            F.embedding_bag(candidates, table, mode="sum", per_sample_weights=grad) if to_queries else None,
            whole(_weighted_queries(queries, candidates, grad, len(table))) if to_table else None,
            None,
            None,
        )


class _Squares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, table: Tensor, candidates: Tensor, sparse: bool) -> Tensor:
        ctx.save_for_backward(queries, table, candidates)
        ctx.sparse = sparse
        squares = _squared_norms(table, candidates)
        squares += torch.linalg.vector_norm(queries, dim=1, keepdim=True).square_()
        return squares.sub_(_products(queries, table, candidates), alpha=2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        queries, table, candidates, whole = _touched(ctx)
        twice = 2 * grads[0]
        to_queries = queries * twice.sum(1, keepdim=True)
        to_queries -= F.embedding_bag(candidates, table, mode="sum", per_sample_weights=twice)
        shares = table.new_zeros(len(table)).index_add_(0, candidates.reshape(-1), twice.reshape(-1))
        to_table = _weighted_queries(queries, candidates, -twice, len(table))
        return to_queries, whole(to_table.addcmul_(table, shares[:, None])), None, None


def _squared_norms(table: Float[Tensor, "N W"], candidates: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Of the candidates' rows; of all rows first, where there are no more of them than candidates."""
    if len(table) <= candidates.numel():
        return torch.linalg.vector_norm(table, dim=1).square_()[candidates]
    step = max(1, numbers_at_once(table.device) // table.shape[1])
    parts = [torch.linalg.vector_norm(table[rows], dim=1) for rows in candidates.reshape(-1).split(step)]
    return torch.cat(parts).square_().view(candidates.shape)


def _products(
    queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"], candidates: Int[Tensor, "B K"]
) -> Float[Tensor, "B K"]:
    rows = torch.arange(len(queries), device=queries.device)
    flat, count = candidates.reshape(-1), candidates.shape[1]
    # The weights of a weighted sum of rows have these products as their gradient.
    products = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        queries.contiguous(), table.contiguous(), flat, rows * count, rows.repeat_interleave(count), 0
    )
    return products.view(candidates.shape)


def _weighted_queries(
    queries: Float[Tensor, "B W"], candidates: Int[Tensor, "B K"], weights: Float[Tensor, "B K"], count: int
) -> Float[Tensor, "N W"]:
    """For each of the table's rows, the weighted sum of the queries it is a candidate of."""
    flat, order = candidates.reshape(-1).sort(stable=True)
    starts = torch.searchsorted(flat, torch.arange(count, device=flat.device))
    rows = order.div(candidates.shape[1], rounding_mode="floor")
    return F.embedding_bag(rows, queries, starts, mode="sum", per_sample_weights=weights.reshape(-1)[order])


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, table: Tensor, candidates: Tensor, parts: int, sparse: bool) -> Tensor:
        ctx.save_for_backward(queries, table, candidates)
        ctx.parts, ctx.sparse = parts, sparse
        distances = queries.new_empty(candidates.shape)
        for rows, difference in _differences(queries, table, candidates):
            distances[rows] = moduli_(difference, parts).sum(-1)
        return distances

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        queries, table, candidates, whole = _touched(ctx)
        to_queries, to_table = torch.empty_like(queries), torch.zeros_like(table)
        for rows, difference in _differences(queries, table, candidates):
            pull = moduli_gradient_(difference, ctx.parts).mul_(grads[0][rows, :, None])
            to_queries[rows] = pull.sum(1)
            to_table.index_add_(0, candidates[rows].reshape(-1), pull.flatten(0, 1), alpha=-1)
        return to_queries, whole(to_table), None, None, None


def _differences(
    queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"], candidates: Int[Tensor, "B K"]
) -> Iterator[tuple[slice, Float[Tensor, "b K W"]]]:
    """Query minus candidate for some queries at a time, in one buffer that the caller may write to."""
    batch, count = candidates.shape
    width = table.shape[1]
    step = max(1, numbers_at_once(table.device) // max(1, count * width))
    buffer = table.new_empty(min(step, batch) * count, width)
    for start in range(0, batch, step):
        rows = slice(start, min(start + step, batch))
        part = buffer[: (rows.stop - start) * count]
        torch.index_select(table, 0, candidates[rows].reshape(-1), out=part)
        difference = part.view(rows.stop - start, count, width)
        yield rows, torch.sub(queries[rows, None], difference, out=difference)
