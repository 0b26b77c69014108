"""TransAE: an entity is the hidden layer of an autoencoder of its images."""

from __future__ import annotations

import math
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.kge.comparisons import L1Distance
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.model import signs

SIGMOID_SPREAD = 0.208
"""The deviation of the sigmoid of a standard normal variable."""


@final
class TransAE(ImageAware):
    """The negative L1 distance of h + r from t, entities being what an autoencoder has in its middle.

    The mean of an entity's images goes through two layers, with sigmoids, to the entity's vector, and through two
    more back to itself: the mean squared error of the latter, times ``reconstruction_weight``, is the model's own
    loss. ``hidden_dim`` is the width of the layers between. The last layer has no sigmoid: the vectors of today's
    encoders have both signs.

    An entity without images is the sigmoid of a free vector, and nothing is rebuilt for it. Parameters are drawn so
    that entities and relations spread as those of :class:`mkgc.kge.distances.TransE` with the same ``margin``.

    Source: Wang et al. (2019), "Multimodal Data Enhanced Representation Learning for Knowledge Graphs", section III:
    there, vectors of texts go through layers of their own to the same middle.

    Raises:
        ConfigError: A size is not positive, or ``reconstruction_weight`` is negative.
    """

    def __init__(
        self,
        entities: int,
        relations: int,
        width: int,
        vision: VisionEncoder | None = None,
        hidden_dim: int = 256,
        reconstruction_weight: float = 1.0,
        margin: float = 9.0,
    ) -> None:
        super().__init__(entities, relations, width, width, L1Distance(1), vision)
        if hidden_dim < 1:
            raise ConfigError(f"backbone.hidden_dim={hidden_dim} must be at least 1")
        if reconstruction_weight < 0:
            raise ConfigError(f"backbone.reconstruction_weight={reconstruction_weight} must not be negative")
        self.hidden_dim, self.reconstruction_weight = hidden_dim, reconstruction_weight
        self.init_std = (margin + 2) / width
        self.middle = nn.Linear(hidden_dim, width)
        self.back = nn.Linear(width, hidden_dim)
        self.fit()
        self.reset_parameters()

    def fit(self) -> None:
        made = self.entities.weight
        self.first = nn.Parameter(_drawn(made.new_empty(self.features, self.hidden_dim)))
        self.last = nn.Parameter(_drawn(made.new_empty(self.hidden_dim, self.features)))
        self.first_bias = nn.Parameter(made.new_zeros(self.hidden_dim))
        self.last_bias = nn.Parameter(made.new_zeros(self.features))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        self.fit()
        nn.init.uniform_(self.relations.weight, -self.init_std, self.init_std)
        # The sigmoid's slope at 0 is 1/4.
        nn.init.uniform_(self.entities.weight, -4 * self.init_std, 4 * self.init_std)
        reach = 4 * self.init_std / (SIGMOID_SPREAD * math.sqrt(self.hidden_dim))
        nn.init.uniform_(self.middle.weight, -reach, reach)
        self.middle.bias.copy_(-self.middle.weight.sum(1) / 2)
        self.back.reset_parameters()

    def see(self, vectors: Float[Tensor, "P F"], owners: Int[Tensor, " P"]) -> None:
        """Takes the mean of each entity's images, which is all that the model looks at."""
        entities, which = owners.unique(return_inverse=True)
        total = vectors.new_zeros(len(entities), vectors.shape[1])
        super().see(total.index_add(0, which, F.normalize(vectors)), entities)

    def encode(self, vectors: Float[Tensor, "p F"]) -> Float[Tensor, "p W"]:
        """The state in the middle of the autoencoder."""
        hidden = (vectors * math.sqrt(self.features) @ self.first + self.first_bias).sigmoid()
        return self.middle(hidden).sigmoid()

    def decode(self, middle: Float[Tensor, "p W"]) -> Float[Tensor, "p F"]:
        """The vectors of images again, of which each number has a mean square of 1."""
        return self.back(middle).sigmoid() @ self.last + self.last_bias

    def entity_representations(self, rows: slice | Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        free = super().entity_representations(rows).sigmoid()
        vectors, place, there = self.look(rows)
        return free.index_copy(0, place, torch.where(there[:, None], self.encode(vectors).to(free.dtype), free[place]))

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        return self.entity_representations(known) + signs(tail) * self.relations(relations)

    def factors(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B _"], ...]:
        return self.entity_representations(heads), self.relations(relations), self.entity_representations(tails)

    def auxiliary_loss(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"] | None:
        """How badly the images of each triple's entities are rebuilt: 0 where neither has any, else their mean."""
        vectors, place, there = self.look(torch.cat([heads, tails]))
        errors = (self.decode(self.encode(vectors)) - vectors * math.sqrt(self.features)).square().mean(1) * there
        triple = place % len(heads)
        total, count = (errors.new_zeros(len(heads)).index_add(0, triple, each) for each in (errors, there.to(errors)))
        return self.reconstruction_weight * total / count.clamp(min=1)


def _drawn(matrix: Float[Tensor, "i o"]) -> Float[Tensor, "i o"]:
    """Such that numbers of mean square 1 keep it."""
    reach = math.sqrt(3 / max(1, len(matrix)))
    return nn.init.uniform_(matrix, -reach, reach)
