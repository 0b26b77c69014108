"""IKRL: an entity is a vector of its own and, beside it, what its images make of it."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.encoders.vision import VisionEncoder
from mkgc.kge.comparisons import L1Distance
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.model import signs


@final
class IKRL(ImageAware):
    """The negative sum of four L1 distances of h + r from t: each end as its structure or as its images have it.

    An image's vector f is projected to p = M f; an entity e takes part as its own vector and as the sum of its
    images' p, weighed by the softmax of p · e. As all four distances sum over coordinates, they are one distance of
    vectors of four parts, h as (s, s, i, i) and t as (s, i, s, i).

    An entity without images takes part in both places as its own vector, so that its four distances are as many as
    those of others. Parameters are drawn as for :class:`mkgc.kge.distances.TransE`, for a quarter of the ``margin``;
    since f has length 1, p then has the size of e.

    Source: Xie et al. (2017), "Image-embodied Knowledge Representation Learning", section 3: the overall energy, the
    projection module and the attention over instances, as in the released code. There, vectors start from a trained
    TransE and are held below length 1.
    """

    def __init__(
        self, entities: int, relations: int, width: int, vision: VisionEncoder | None = None, margin: float = 9.0
    ) -> None:
        super().__init__(entities, relations, width, width, L1Distance(1), vision)
        self.init_std = (margin + 2) / (4 * width)
        self.fit()
        self.reset_parameters()

    def fit(self) -> None:
        matrix = self.entities.weight.new_empty(self.features, self.width)
        self.projection = nn.Parameter(nn.init.uniform_(matrix, -self.init_std, self.init_std))

    def reset_parameters(self) -> None:
        for weight in (self.entities.weight, self.relations.weight, self.projection):
            nn.init.uniform_(weight, -self.init_std, self.init_std)

    def both(self, rows: slice | Int[Tensor, " n"]) -> tuple[Float[Tensor, "n W"], Float[Tensor, "n W"]]:
        """The entities as their structure and as their images have them."""
        structure = super().entity_representations(rows)
        vectors, place, there = self.look(rows)
        # (M f) · e = f · (Mᵀ e), and the sum of projections is the projection of the sum: images, of which there are
        # most, need not be projected.
        fit = (vectors * (structure @ self.projection.T)[place]).sum(1)
        weights = attention(fit, place, there, len(structure))
        seen = vectors.new_zeros(len(structure), self.features).index_add(0, place, weights[:, None] * vectors)
        imaged = place.new_zeros(len(structure)).index_add(0, place, there.long()) > 0
        return structure, torch.where(imaged[:, None], seen @ self.projection, structure)

    def entity_representations(self, rows: slice | Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        structure, images = self.both(rows)
        return torch.cat([structure, images, structure, images], 1)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        structure, images = self.both(known)
        move = signs(tail) * self.relations(relations)
        structure, images = structure + move, images + move
        return torch.cat([structure, structure, images, images], 1)


def attention(
    fit: Float[Tensor, " p"], place: Int[Tensor, " p"], there: Bool[Tensor, " p"], entities: int
) -> Float[Tensor, " p"]:
    """The softmax of how well images fit, among those of the same entity; 0 where there is none.

    ``place`` says whose each one is.
    """
    fit = fit.masked_fill(~there, torch.finfo(fit.dtype).min)
    best = fit.new_full((entities,), torch.finfo(fit.dtype).min).scatter_reduce(0, place, fit.detach(), "amax")
    weights = (fit - best[place]).exp() * there
    total = weights.new_zeros(entities).index_add(0, place, weights)
    return weights / torch.where(total > 0, total, 1)[place]
