"""How a query is compared with entities: one each, all of a table, or some rows of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.kge.l1_distance import all_distances
from mkgc.kge.sampled import sampled_distances, sampled_products, sampled_squares
from mkgc.nn.full_products import full_products

Kind = Literal["product", "euclidean"]
"""Comparisons that an index can search by (:mod:`mkgc.kge.index`)."""


class Comparison(ABC):
    """The higher the score, the better query and entity fit; the three methods agree on it."""

    index: ClassVar[Kind | None] = None

    @abstractmethod
    def one(self, queries: Float[Tensor, "B W"], entities: Float[Tensor, "B W"]) -> Float[Tensor, " B"]:
        """The score of each query with the entity beside it."""

    @abstractmethod
    def all(self, queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"]) -> Float[Tensor, "B N"]:
        """The scores of each query with all entities."""

    @abstractmethod
    def some(
        self,
        queries: Float[Tensor, "B W"],
        table: Float[Tensor, "N W"],
        candidates: Int[Tensor, "B K"],
        sparse: bool = False,
    ) -> Float[Tensor, "B K"]:
        """The scores of each query with the rows of the table that are its candidates.

        With ``sparse``, the table's gradient has the candidates' rows only.
        """


class Product(Comparison):
    """The inner product."""

    index = "product"

    def one(self, queries: Float[Tensor, "B W"], entities: Float[Tensor, "B W"]) -> Float[Tensor, " B"]:
        return (queries * entities).sum(-1)

    def all(self, queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"]) -> Float[Tensor, "B N"]:
        return full_products(queries, table)

    def some(
        self,
        queries: Float[Tensor, "B W"],
        table: Float[Tensor, "N W"],
        candidates: Int[Tensor, "B K"],
        sparse: bool = False,
    ) -> Float[Tensor, "B K"]:
        return sampled_products(queries, table, candidates, sparse)


class Euclidean(Comparison):
    """The negative L2 distance, as the root of q² + e² - 2qe, whose products are fast.

    Rounding to float32 costs a distance d about 1e-7 q²/d, or 3e-4 |q| where it is 0. It is never computed in less than
    the table's precision, for the difference would lose half-precision's few digits.
    """

    index = "euclidean"

    def one(self, queries: Float[Tensor, "B W"], entities: Float[Tensor, "B W"]) -> Float[Tensor, " B"]:
        return -torch.linalg.vector_norm(queries - entities, dim=-1)

    def all(self, queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"]) -> Float[Tensor, "B N"]:
        with torch.autocast(queries.device.type, enabled=False):
            queries = queries.to(table.dtype)
            lengths = queries.square().sum(-1, keepdim=True) + table.square().sum(-1)
            return _negative_root(torch.addmm(lengths, queries, table.T, alpha=-2))

    def some(
        self,
        queries: Float[Tensor, "B W"],
        table: Float[Tensor, "N W"],
        candidates: Int[Tensor, "B K"],
        sparse: bool = False,
    ) -> Float[Tensor, "B K"]:
        return _negative_root(sampled_squares(queries, table, candidates, sparse))


def _negative_root(squares: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    # Rounding may leave a little less than 0, and the root has no gradient there.
    return -squares.clamp_min(1e-12).sqrt()


class L1Distance(Comparison):
    """The negative L1 distance of real vectors (one part), or of complex ones (two parts): the sum of the moduli.

    Source for two parts: the released code of Sun et al. (2019), where the paper leaves the norm open.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def one(self, queries: Float[Tensor, "B W"], entities: Float[Tensor, "B W"]) -> Float[Tensor, " B"]:
        differences = (queries - entities).unflatten(-1, (self.parts, -1))
        return -torch.linalg.vector_norm(differences, dim=-2).sum(-1)

    def all(self, queries: Float[Tensor, "B W"], table: Float[Tensor, "N W"]) -> Float[Tensor, "B N"]:
        if (
            self.parts == 1 and table.device.type == "cpu" and table.dtype.itemsize >= 4
        ):  # cdist knows no half precision
            return -torch.cdist(queries.to(table.dtype), table, p=1)
        return -all_distances(queries, table, self.parts)

    def some(
        self,
        queries: Float[Tensor, "B W"],
        table: Float[Tensor, "N W"],
        candidates: Int[Tensor, "B K"],
        sparse: bool = False,
    ) -> Float[Tensor, "B K"]:
        return -sampled_distances(queries, table, candidates, self.parts, sparse)
