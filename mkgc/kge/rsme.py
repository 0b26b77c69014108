"""RSME: ComplEx of vectors that images have a share in, and a gate that forgets images where they tell nothing."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.kge.comparisons import Product
from mkgc.kge.complex import moduli, multiply
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.relevance import mean_rank_percentage, medoid


@final
class RSME(ImageAware):
    """β times ComplEx, plus 1 - β times the cosine of both entities' images where the relation's gate is open.

    An entity is (1 - α) e + α f M: its own vector and its image's, which the filter gate chose among its images
    (:func:`mkgc.kge.relevance.medoid`). The forget gate is open for the share ``remember`` of the relations whose
    tails look most like their heads in training (:func:`mkgc.kge.relevance.mean_rank_percentage`); it opens or shuts
    when images are prepared, and does not learn.

    An entity without images is e alone, and its cosine with others is 0. Vectors are drawn as for
    :class:`mkgc.kge.products.ComplEx`, M from Glorot and Bengio's (2010) uniform distribution.

    Source: Wang et al. (2021), "Is Visual Context Really Helpful for Knowledge Graph? A Representation Learning
    Perspective", as in the released code with one α for all relations; there, the cosine takes part in ranking only,
    and ``beta`` is 0.95. Neither α nor the share of relations is released.

    Raises:
        ConfigError: A size is not positive, or a share does not lie between 0 and 1.
    """

    entity_parts = 2
    gate: Float[Tensor, " R"]

    def __init__(
        self,
        entities: int,
        relations: int,
        width: int,
        vision: VisionEncoder | None = None,
        alpha: float = 0.5,
        beta: float = 0.95,
        remember: float = 0.5,
        init_std: float = 1e-3,
    ) -> None:
        super().__init__(entities, relations, width, 2 * width, Product(), vision)
        for name, share in {"alpha": alpha, "beta": beta, "remember": remember}.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"backbone.{name}={share} must lie between 0 and 1")
        self.alpha, self.beta, self.remember, self.init_std = alpha, beta, remember, init_std
        self.register_buffer("gate", torch.ones(relations))
        self.fit()
        self.reset_parameters()

    def fit(self) -> None:
        matrix = self.entities.weight.new_empty(self.features, 2 * self.width)
        self.projection = nn.Parameter(nn.init.xavier_uniform_(matrix))

    def reset_parameters(self) -> None:
        self.fit()
        for table in (self.entities, self.relations):
            nn.init.normal_(table.weight, std=self.init_std)

    def see(self, vectors: Float[Tensor, "P F"], owners: Int[Tensor, " P"]) -> None:
        """Takes the image of each entity that is most like its others."""
        vectors = F.normalize(vectors)
        chosen = medoid(vectors, owners)
        super().see(vectors[chosen], owners[chosen])

    def judge(self, triples: Int[Tensor, "n 3"]) -> None:
        """Opens the gate of the relations with the lowest mean rank percentages, and of no others."""
        known = triples.to(self.owners.device)
        percentages = mean_rank_percentage(known, len(self.gate), self.vectors, self.owners)
        measured = int(percentages.isfinite().sum())
        best = percentages.nan_to_num(torch.inf).argsort(stable=True)[: round(self.remember * measured)]
        self.gate = torch.zeros_like(self.gate).index_fill(0, best, 1.0)

    def both(self, rows: slice | Int[Tensor, " n"]) -> tuple[Float[Tensor, "n W"], Float[Tensor, "n F"]]:
        """The entities as ComplEx has them, and their images, 0 where there is none."""
        own = super().entity_representations(rows)
        vectors, place, there = self.look(rows)
        seen = own.new_zeros(len(own), self.features).index_copy(0, place, vectors * there[:, None])
        share = own.new_zeros(len(own), 1).index_copy(0, place, self.alpha * there[:, None].to(own))
        return (1 - share) * own + share * (seen @ self.projection), seen

    def entity_representations(self, rows: slice | Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        return torch.cat(self.both(rows), 1)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        entity, image = self.both(known)
        turned = multiply(entity, self.relations(relations), conjugate=~tail)
        return torch.cat([self.beta * turned, (1 - self.beta) * self.gate[relations, None] * image], 1)

    def factors(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B _"], ...]:
        """The moduli of what ComplEx multiplies, as in the released code."""
        vectors = self.both(heads)[0], self.relations(relations), self.both(tails)[0]
        return tuple(moduli(each) for each in vectors)
