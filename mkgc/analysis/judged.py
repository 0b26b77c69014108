"""Figures of lists that people have judged: a row for each system, as published and by stricter rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from mkgc.data.formats.judgements import JudgedList, JudgedLists
from mkgc.metrics.graded import (
    RELEVANT,
    discounted_gain,
    hit_rate,
    ideal_gain,
    normalised_gain,
    reciprocal_rank,
)

K = 5
"""The rank up to which hits and gains count."""


def judged_figures(lists: JudgedLists) -> dict[str, dict[str, float]]:
    """The figures of each system, means over all queries.

    ``HR@5`` and ``MRR`` are of what is relevant among the listed, ``NDCG@5`` has as its ideal the best order of what
    the system itself lists, and ``strict NDCG@5`` that of all that any system lists for the query: a system that lists
    nothing good gains nothing by listing it in its best order. There an item's gain is the mean of what it was judged
    in all lists, and counts once in a list. Elsewhere it is that of the list, where this has none that of the others,
    and 0 where nobody has judged the item.

    ``without_gain`` counts the queries whose NDCG@5 is 0 as nothing that is listed has been judged above 0,
    ``unjudged`` and ``repeated`` the items that are so.

    Source: PKG-Bert (Li et al., 2022), Table 1, which the first three are.
    """
    pools = [_pooled(query) for query in zip(*lists.systems.values(), strict=True)]
    ideals = ideal_gain(_padded([[*pool.values()] for pool in pools]), K)
    return {name: _figures(listed, pools, ideals) for name, listed in lists.systems.items()}


def _figures(
    listed: Sequence[JudgedList], pools: Sequence[Mapping[str, float]], ideals: Float64[Tensor, " Q"]
) -> dict[str, float]:
    gains = _padded([_gains(one, pool) for one, pool in zip(listed, pools, strict=True)])
    strict = _padded([_pooled_gains(one.items, pool) for one, pool in zip(listed, pools, strict=True)])
    places = -torch.arange(gains.shape[1]).double().expand_as(gains)
    own = ideal_gain(gains, K)
    return {
        f"HR@{K}": float(hit_rate(places, gains > RELEVANT, K).mean()),
        f"NDCG@{K}": float(normalised_gain(discounted_gain(places, gains, K), own).mean()),
        "MRR": float(reciprocal_rank(places, gains > RELEVANT).mean()),
        f"strict NDCG@{K}": float(normalised_gain(discounted_gain(places, strict, K), ideals).mean()),
        "queries": len(listed),
        "without_gain": int((own == 0).sum()),
        "unjudged": sum(item not in pool for one, pool in zip(listed, pools, strict=True) for item in one.items),
        "repeated": sum(len(one.items) - len({*one.items}) for one in listed),
    }


def _gains(one: JudgedList, pool: Mapping[str, float]) -> list[float]:
    """The judgement of each listed item, or that of the pool, or none, which gains nothing."""
    judged = zip(one.items, one.judgements, strict=True)
    return [pool.get(item, 0.0) if judgement is None else judgement for item, judgement in judged]


def _pooled_gains(items: Sequence[str], pool: Mapping[str, float]) -> list[float]:
    """The pool's judgements of items; one that repeats gains at its first place alone."""
    return [pool.get(item, 0.0) if items.index(item) == place else 0.0 for place, item in enumerate(items)]


def _pooled(query: Sequence[JudgedList]) -> dict[str, float]:
    """The judgements of all systems' items, each the mean of those that an item has."""
    found: dict[str, list[float]] = {}
    for one in query:
        for item, judgement in zip(one.items, one.judgements, strict=True):
            if judgement is not None:
                found.setdefault(item, []).append(judgement)
    return {item: sum(each) / len(each) for item, each in found.items()}


def _padded(rows: Sequence[Sequence[float]]) -> Float64[Tensor, "Q N"]:
    """Rows as one tensor, the shorter ones filled up with what gains nothing."""
    width = max(K, *map(len, rows))
    return torch.tensor([[*row, *[0.0] * (width - len(row))] for row in rows], dtype=torch.double)
