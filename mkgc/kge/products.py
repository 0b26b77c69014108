"""Models whose score is an inner product: DistMult, ComplEx and RESCAL."""

from __future__ import annotations

import math
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.kge.comparisons import Product
from mkgc.kge.complex import moduli, multiply
from mkgc.kge.model import KGEModel
from mkgc.kge.sampled import sampled_products


@final
class DistMult(KGEModel):
    """The sum over h · r · t.

    Parameters are drawn from a normal distribution of deviation ``init_std``, by default as in the released code of
    Lacroix et al. (2018), who train it with the N3 regulariser (:func:`mkgc.losses.n3.n3`).

    Source: Yang et al. (2015), "Embedding Entities and Relations for Learning and Inference in Knowledge Bases".
    """

    def __init__(self, entities: int, relations: int, width: int, init_std: float = 1e-3, sparse: bool = False) -> None:
        super().__init__(entities, relations, width, width, Product(), sparse)
        self.init_std = init_std
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for table in (self.entities, self.relations):
            nn.init.normal_(table.weight, std=self.init_std)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        return self.known(known) * self.relations(relations)


@final
class ComplEx(KGEModel):
    """The real part of the sum over h · r · conj(t), all complex.

    Parameters are drawn as for :class:`DistMult`.

    Source: Trouillon et al. (2016), "Complex Embeddings for Simple Link Prediction".
    """

    entity_parts = 2

    def __init__(self, entities: int, relations: int, width: int, init_std: float = 1e-3, sparse: bool = False) -> None:
        super().__init__(entities, relations, width, 2 * width, Product(), sparse)
        self.init_std = init_std
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for table in (self.entities, self.relations):
            nn.init.normal_(table.weight, std=self.init_std)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        # Re(h r conj(t)) = Re(conj(h) conj(r) t): heads are compared with t conj(r).
        return multiply(self.known(known), self.relations(relations), conjugate=~tail)

    def factors(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B _"], ...]:
        """The moduli, of which Lacroix et al. (2018) take the norm."""
        return tuple(moduli(vectors) for vectors in super().factors(heads, relations, tails))


@final
class RESCAL(KGEModel):
    """The product h R t with a matrix for each relation.

    Parameters are drawn from Glorot and Bengio's (2010) normal distribution, one of the choices of Ruffinelli et al.
    (2020), "You CAN Teach an Old Dog New Tricks!", who find this model as good as any.

    Source: Nickel et al. (2011), "A Three-Way Model for Collective Learning on Multi-Relational Data".
    """

    def __init__(self, entities: int, relations: int, width: int, sparse: bool = False) -> None:
        super().__init__(entities, relations, width, width * width, Product(), sparse)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_normal_(self.entities.weight)
        nn.init.normal_(self.relations.weight, std=math.sqrt(1 / self.width))

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        vectors = self.known(known)
        if self.sparse:
            matrices = self.relations(relations).view(-1, self.width, self.width)
            matrices = torch.where(tail[:, None, None], matrices, matrices.mT)
            return (vectors[:, None] @ matrices)[:, 0]
        # Sums over rows of all matrices, and products with them: no matrix is copied for each of its queries.
        table = self.relations.weight.view(-1, self.width)
        rows = relations[:, None] * self.width + torch.arange(self.width, device=relations.device)
        forwards = F.embedding_bag(rows, table, mode="sum", per_sample_weights=vectors)
        return torch.where(tail[:, None], forwards, sampled_products(vectors, table, rows))
