"""The base of all structure models: tables of entities and relations, and scores of triples by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.kge.comparisons import Comparison
from mkgc.nn.embeddings import some_rows

Target = Literal["head", "tail"]


class KGEModel(nn.Module, ABC):
    """Scores triples by a query, made of the known entity and the relation, that is compared with entities.

    ``width`` is the dimension of an entity in the literature's sense: complex models count complex numbers, which are
    stored as their real parts followed by their imaginary parts. With ``sparse``, the gradients of both tables have
    rows for what a batch speaks of only (for torch.optim.SparseAdam and SGD), in everything but ``score_all``; a step
    then costs the same however many entities there are.

    Raises:
        ConfigError: A size is not positive.
    """

    entity_parts = 1
    gathers = False  # whether what stands for an entity costs so much to make that none is made in vain

    def __init__(
        self, entities: int, relations: int, width: int, relation_width: int, comparison: Comparison, sparse: bool
    ) -> None:
        super().__init__()
        for name, size in {"entities": entities, "relations": relations, "width": width}.items():
            if size < 1:
                raise ConfigError(f"a structure model with {name}={size}: there must be at least 1")
        self.width, self.sparse, self.comparison = width, sparse, comparison
        self.entities = nn.Embedding(entities, self.entity_parts * width, sparse=sparse)
        self.relations = nn.Embedding(relations, relation_width, sparse=sparse)

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draws both tables anew, as the literature does."""

    @abstractmethod
    def compose(
        self, known: Int[Tensor, " B"], relations: Int[Tensor, " B"], tail: Bool[Tensor, " B"]
    ) -> Float[Tensor, "B W"]:
        """The vectors that the missing entities are compared with, tails where ``tail`` says so and heads elsewhere."""

    def entity_representations(self, rows: slice | Int[Tensor, " n"]) -> Float[Tensor, "n W"]:
        """The representations that a query is compared with: a vector for each entity in ``rows``."""
        return some_rows(self.entities.weight, rows) if isinstance(rows, slice) else self.entities(rows)

    def known(self, entities: Int[Tensor, " B"]) -> Float[Tensor, "B W"]:
        """The vectors of some entities, beside which all are compared: what is added to that gradient has B rows."""
        return F.embedding(entities, self.entities.weight, sparse=True)

    def auxiliary_loss(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"] | None:
        """The model's own loss beside the task's objective, for each triple of a batch; most have nothing."""
        return None

    @torch.no_grad()
    def constrain(self) -> None:
        """Brings the parameters back to where the model wants them: to be called after each step."""

    def factors(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B _"], ...]:
        """The vectors of the triples' heads, relations and tails, for a regulariser of their size."""
        return self.known(heads), self.relations(relations), self.known(tails)

    def score(
        self, heads: Int[Tensor, " B"], relations: Int[Tensor, " B"], tails: Int[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """The scores of triples."""
        everywhere = torch.ones_like(heads, dtype=torch.bool)
        return self.comparison.one(self.compose(heads, relations, everywhere), self.entity_representations(tails))

    def score_all(
        self,
        known: Int[Tensor, " B"],
        relations: Int[Tensor, " B"],
        tail: Bool[Tensor, " B"],
        rows: slice = slice(None),
    ) -> Float[Tensor, "B N"]:
        """The scores of all entities, or of those in ``rows``, as the missing ones."""
        return self.comparison.all(self.compose(known, relations, tail), self.entity_representations(rows))

    def score_some(
        self,
        known: Int[Tensor, " B"],
        relations: Int[Tensor, " B"],
        tail: Bool[Tensor, " B"],
        candidates: Int[Tensor, "B K"],
    ) -> Float[Tensor, "B K"]:
        """The scores of each row's candidates as the missing entity.

        With the right answers in a column beside the wrong ones, training needs no call of :meth:`score`.
        """
        return self.compare(self.compose(known, relations, tail), candidates)

    def compare(self, queries: Float[Tensor, "B W"], candidates: Int[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """The scores of queries, whatever side they ask for, with each row's candidates."""
        rows: slice | Tensor = slice(None)
        if self.gathers and candidates.numel() < self.entities.num_embeddings:
            rows = candidates.flatten()
            candidates = torch.arange(len(rows), device=rows.device).view_as(candidates)
        return self.comparison.some(queries, self.entity_representations(rows), candidates, self.sparse)


def signs(tail: Bool[Tensor, " B"]) -> Int[Tensor, "B 1"]:
    """1 for a tail and -1 for a head."""
    return (2 * tail.int() - 1)[:, None]
