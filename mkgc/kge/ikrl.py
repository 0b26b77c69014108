"""IKRL: an entity is a vector of its own and, beside it, what its pictures make of it."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.encoders.vision import VisionEncoder
from mkgc.kge.comparisons import Lengths
from mkgc.kge.image_aware import Pictured
from mkgc.kge.model import Side


@final
class IKRL(Pictured):
    """The negative sum of four L1 distances of h + r from t: each end as its structure or as its pictures have it.

    A picture's vector f is projected to p = M f; an entity e takes part as its own vector and as the sum of its
    pictures' p, weighed by the softmax of p · e. As all four distances sum over coordinates, they are one distance of
    vectors of four parts, h as (s, s, i, i) and t as (s, i, s, i).

    An entity without pictures takes part in both places as its own vector, so that its four distances are as many as
    those of others. Parameters are drawn as for :class:`mkgc.kge.distances.TransE`, for a quarter of the ``margin``;
    since f has length 1, p then has the size of e.

    Source: Xie et al. (2017), "Image-embodied Knowledge Representation Learning", section 3: the overall energy, the
    projection module and the attention over instances, as in the released code. There, vectors start from a trained
    TransE and are held below length 1.
    """

    def __init__(
        self, entities: int, relations: int, width: int, vision: VisionEncoder | None = None, margin: float = 9.0
    ) -> None:
        super().__init__(entities, relations, width, width, Lengths(1), vision)
        self.spread = (margin + 2) / (4 * width)
        self.fit()
        self.reset_parameters()

    def fit(self) -> None:
        matrix = self.entities.weight.new_empty(self.features, self.width)
        self.projection = nn.Parameter(nn.init.uniform_(matrix, -self.spread, self.spread))

    def reset_parameters(self) -> None:
        for weight in (self.entities.weight, self.relations.weight, self.projection):
            nn.init.uniform_(weight, -self.spread, self.spread)

    def both(self, rows: slice | Int[Tensor, " n"]) -> tuple[Float[Tensor, "n W"], Float[Tensor, "n W"]]:
        """The entities as their structure and as their pictures have them."""
        structure = super().candidates(rows)
        vectors, place = self.look(rows)
        # (M f) · e = f · (Mᵀ e), and the sum of projections is the projection of the sum: pictures, of which there are
        # most, need not be projected.
        fit = (vectors * (structure @ self.projection.T)[place]).sum(1)
        weights = attention(fit, place, len(structure))
        seen = vectors.new_zeros(len(structure), self.features).index_add(0, place, weights[:, None] * vectors)
        pictured = torch.bincount(place, minlength=len(structure)) > 0
        return structure, torch.where(pictured[:, None], seen @ self.projection, structure)

    def candidates(self, rows: slice | Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        structure, images = self.both(rows)
        return torch.cat([structure, images, structure, images], 1)

    def query(self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], side: Side) -> Float[Tensor, "B W"]:
        structure, images = self.both(known)
        move = self.relations(relations) if side == "tail" else -self.relations(relations)
        structure, images = structure + move, images + move
        return torch.cat([structure, structure, images, images], 1)


def attention(fit: Float[Tensor, " p"], place: Int[Tensor, " p"], entities: int) -> Float[Tensor, " p"]:
    """The softmax of how well pictures fit, among those of the same entity; ``place`` says whose each one is."""
    best = fit.new_full((entities,), -torch.inf).scatter_reduce(0, place, fit.detach(), "amax")
    weights = (fit - best[place]).exp()
    return weights / weights.new_zeros(entities).index_add(0, place, weights)[place]
