"""Which images are to be trusted: the medoid of an entity's, and the relations they tell something of."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

CELLS = 1 << 24
"""How many similarities are held at a time."""


def medoid(vectors: Float[Tensor, "P F"], owners: Int[Tensor, " P"]) -> Int[Tensor, " n"]:
    """For each entity that has images, the row of the one most like its others, the first of equals.

    ``vectors`` have length 1; likeness is the sum of the cosines with the others.

    Source: the filter gate in the released code of Wang et al. (2021), which compares perceptual hashes.
    """
    entities, which = owners.unique(return_inverse=True)
    total = vectors.new_zeros(len(entities), vectors.shape[1]).index_add(0, which, vectors)
    # Of two images both are equally like the other, but for rounding.
    likeness = (vectors * (total[which] - vectors)).sum(1).round(decimals=5)
    order = likeness.argsort(descending=True, stable=True)
    order = order[which[order].argsort(stable=True)]
    counts = torch.bincount(which, minlength=len(entities))
    return order[counts.cumsum(0) - counts]


def mean_rank_percentage(
    triples: Int[Tensor, "n 3"],
    relations: int,
    vectors: Float[Tensor, "P F"],
    owners: Int[Tensor, " P"],
) -> Float[Tensor, " R"]:
    """How far down, from 0 to 1, a relation's tails come when entities are ranked by likeness of image to the head.

    Only triples count whose head and tail have an image and no other relation from one to the other; what is ranked
    are all of their tails. Ranks of equals are means; of a head's tails, and then of heads, the mean counts. A relation
    without such triples has NaN. ``vectors`` have length 1, one for each entity in ``owners``, in order.

    Source: MRP (mean rank percentage) of Wang et al. (2021), "Is Visual Context Really Helpful for Knowledge Graph?",
    as in their released code, but for its use of dev and test.
    """
    triples = _judged(triples, owners)
    heads, tails = (torch.searchsorted(owners, triples[:, column].contiguous()) for column in (0, 2))
    pool, tail = tails.unique(return_inverse=True)
    share = _ranks(vectors, heads, tail, vectors[pool]) / max(1, len(pool))
    pairs, pair = torch.stack([triples[:, 1], heads], 1).unique(dim=0, return_inverse=True)
    return _means(_means(share, pair, len(pairs)), pairs[:, 0], relations)


def _judged(triples: Int[Tensor, "n 3"], owners: Int[Tensor, " P"]) -> Int[Tensor, "m 3"]:
    """The distinct triples that say something of images."""
    triples = triples.unique(dim=0)
    _, which, counts = triples[:, [0, 2]].unique(dim=0, return_inverse=True, return_counts=True)
    return triples[(counts[which] == 1) & torch.isin(triples[:, [0, 2]], owners).all(1)]


def _ranks(
    vectors: Float[Tensor, "P F"], heads: Int[Tensor, " n"], tails: Int[Tensor, " n"], pool: Float[Tensor, "T F"]
) -> Float[Tensor, " n"]:
    """The rank of each tail in the pool by its likeness to the head."""
    parts = []
    for rows in torch.arange(len(heads), device=heads.device).split(max(1, CELLS // max(1, len(pool)))):
        distinct, which = heads[rows].unique(return_inverse=True)
        likeness = (vectors[distinct] @ pool.T)[which]
        own = likeness.gather(1, tails[rows, None])
        parts.append((1 + (likeness > own).sum(1) + (likeness >= own).sum(1)) / 2)
    return torch.cat(parts) if parts else vectors.new_empty(0)


def _means(values: Float[Tensor, " n"], which: Int[Tensor, " n"], count: int) -> Float[Tensor, " m"]:
    total = values.new_zeros(count).index_add(0, which, values)
    return total / torch.bincount(which, minlength=count)
