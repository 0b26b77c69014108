"""Graded judgements of what was retrieved: hit rate, normalised discounted cumulative gain and reciprocal rank.

Candidates with equal scores are in random order: each figure is the one that is expected then, computed exactly.

Source: McSherry and Najork (ECIR 2008), "Computing Information Retrieval Performance Measures Efficiently in the
Presence of Tied Scores".
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

RELEVANT = 0.5
"""The mean judgement above which a candidate is relevant."""


def hit_rate(scores: Float[Tensor, "Q N"], relevant: Bool[Tensor, "Q N"], k: int) -> Float64[Tensor, " Q"]:
    """HR@k: the probability that one of a query's relevant candidates is among its first ``k``; 0 where it has none."""
    better, absent, found = _first_relevant(scores, relevant)
    drawn = (k - better).clamp(0, scores.shape[1])
    return (1 - absent.gather(1, drawn[:, None])[:, 0]) * found


def reciprocal_rank(scores: Float[Tensor, "Q N"], relevant: Bool[Tensor, "Q N"]) -> Float64[Tensor, " Q"]:
    """The expected reciprocal rank of a query's first relevant candidate; 0 where it has none."""
    better, absent, found = _first_relevant(scores, relevant)
    ranks = better[:, None] + torch.arange(1, scores.shape[1] + 1, device=scores.device)
    return ((absent[:, :-1] - absent[:, 1:]) / ranks).sum(1) * found


def _first_relevant(
    scores: Float[Tensor, "Q N"], relevant: Bool[Tensor, "Q N"]
) -> tuple[Int[Tensor, " Q"], Float64[Tensor, "Q N1"], Bool[Tensor, " Q"]]:
    """How many candidates are better than the best relevant one, the law of its place, and whether there is one.

    The law is the probability that none of the first ``j`` of ``t`` tied candidates, ``r`` of which are relevant, is
    relevant, by ``j`` from 0: the product of ``(t - r - i) / (t - i)`` over ``i < j``.
    """
    best = scores.masked_fill(~relevant, -torch.inf).amax(1, keepdim=True)
    tied = scores == best
    number, right = tied.sum(1, keepdim=True), (tied & relevant).sum(1, keepdim=True)
    drawn = torch.arange(scores.shape[1], device=scores.device)
    factors = (number - right - drawn).clamp(min=0).double() / (number - drawn).clamp(min=1)
    absent = torch.cat([torch.ones_like(factors[:, :1]), factors.cumprod(1)], dim=1)
    return (scores > best).sum(1), absent, relevant.any(1)


def discounted_gain(scores: Float[Tensor, "Q N"], gains: Float[Tensor, "Q N"], k: int) -> Float64[Tensor, " Q"]:
    """DCG@k with linear gain: each of the first ``k`` gains over the logarithm of its rank plus one, to the base 2.

    Source: Järvelin and Kekäläinen (2002), in the form that begins to discount at the second rank.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranked, sorted_gains = scores.gather(1, order), gains.double().gather(1, order)
    begins = torch.cat([torch.zeros_like(ranked[:, :1], dtype=torch.bool), ranked[:, 1:] != ranked[:, :-1]], dim=1)
    group = begins.long().cumsum(1)
    sums = torch.zeros_like(sorted_gains).scatter_add(1, group, sorted_gains)
    sizes = torch.zeros_like(sorted_gains).scatter_add(1, group, torch.ones_like(sorted_gains))
    expected = (sums / sizes.clamp(min=1)).gather(1, group)
    discounts = torch.arange(2, scores.shape[1] + 2, device=scores.device, dtype=torch.double).log2()
    return (expected / discounts)[:, :k].sum(1)


def ideal_gain(gains: Float[Tensor, "Q N"], k: int) -> Float64[Tensor, " Q"]:
    """The DCG@k of the best order of the candidates."""
    return discounted_gain(gains, gains, k)


def normalised_gain(gain: Float64[Tensor, " Q"], ideal: Float64[Tensor, " Q"]) -> Float64[Tensor, " Q"]:
    """NDCG, of a gain and the ideal one; 0 where there is nothing to gain."""
    return torch.where(ideal > 0, gain / ideal.clamp(min=torch.finfo(torch.double).tiny), 0)
