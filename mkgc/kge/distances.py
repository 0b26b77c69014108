"""Models whose score is a negative distance: TransE and RotatE."""

from __future__ import annotations

import math
from typing import Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.kge.comparisons import Comparison, Euclidean, L1Distance
from mkgc.kge.complex import multiply
from mkgc.kge.model import KGEModel, signs


def _spread(margin: float, width: int) -> float:
    """Half the width of the uniform distribution of Sun et al.'s parameters: their loss's margin sets the scale."""
    return (margin + 2) / width


def _distance(norm: int, parts: int) -> Comparison:
    """Norm 1 sums the lengths of numbers, which have one part or are complex; norm 2 is the Euclidean one."""
    if norm not in (1, 2):
        raise ConfigError(f"backbone.norm={norm}: choose 1 or 2")
    return L1Distance(parts) if norm == 1 else Euclidean()


@final
class TransE(KGEModel):
    """The negative distance of h + r from t, in the L1 or L2 norm.

    With ``unit``, as in the source: entities have length 1 (:meth:`constrain` brings them back to it), and parameters
    are drawn from ±6/√width, relations being normalised once. Otherwise entities are free and parameters drawn from
    ±(margin + 2)/width, as in the released code of Sun et al. (2019), where ``margin`` is that of the loss.

    Source: Bordes et al. (2013), "Translating Embeddings for Modeling Multi-relational Data", Algorithm 1.
    """

    def __init__(
        self,
        entities: int,
        relations: int,
        width: int,
        norm: Literal[1, 2] = 1,
        margin: float = 9.0,
        unit: bool = False,
        sparse: bool = False,
    ) -> None:
        super().__init__(entities, relations, width, width, _distance(norm, 1), sparse)
        self.margin, self.unit = margin, unit
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init_std = 6 / math.sqrt(self.width) if self.unit else _spread(self.margin, self.width)
        for table in (self.entities, self.relations):
            nn.init.uniform_(table.weight, -init_std, init_std)
        if self.unit:
            with torch.no_grad():
                F.normalize(self.relations.weight, out=self.relations.weight)
        self.constrain()

    @torch.no_grad()
    def constrain(self) -> None:
        if self.unit:
            F.normalize(self.entities.weight, out=self.entities.weight)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        return self.known(known) + signs(tail) * self.relations(relations)


@final
class RotatE(KGEModel):
    """The negative distance of h turned by r from t, where a relation is an angle for each complex number.

    The distance sums the moduli of the differences (norm 1: the released code, the published numbers) or is the L2
    norm of the complex vector (norm 2: PyKEEN's choice). Nothing is to be constrained: angles are what is learned.

    As in the released code, all parameters are drawn from ±s with s = (margin + 2)/width, and ±s of a relation are
    angles of ±π: a learning rate means the same for entities and relations, and the literature's rates apply.

    Source: Sun et al. (2019), "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space".
    """

    entity_parts = 2

    def __init__(
        self,
        entities: int,
        relations: int,
        width: int,
        norm: Literal[1, 2] = 1,
        margin: float = 9.0,
        sparse: bool = False,
    ) -> None:
        super().__init__(entities, relations, width, width, _distance(norm, 2), sparse)
        self.init_std = _spread(margin, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for table in (self.entities, self.relations):
            nn.init.uniform_(table.weight, -self.init_std, self.init_std)

    def rotations(self, relations: Int[Tensor, " B"]) -> Float[Tensor, "B W"]:
        """The relations as complex numbers of modulus 1."""
        angles = self.relations(relations) * (math.pi / self.init_std)
        return torch.cat([angles.cos(), angles.sin()], dim=-1)

    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        # Turning h forwards or t backwards leaves the distance as it is.
        return multiply(self.known(known), self.rotations(relations), conjugate=~tail)
