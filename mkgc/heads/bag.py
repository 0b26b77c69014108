"""What the sentences of a bag, which are about the same two things, say together of how these are related."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

BagPooling = Literal["max", "attention"]


class Bag(Protocol):
    """How the sentences of a bag decide together."""

    def learned(
        self,
        scores: Float[Tensor, "B C"],
        attention: Float[Tensor, "B C"],
        members: Bool[Tensor, "N B"],
        relations: Int[Tensor, " N"],
    ) -> Float[Tensor, "N C"]:
        """The scores of bags from which their ``relations`` are learned."""

    def decide(self, scores: Float[Tensor, "m C"], attention: Float[Tensor, "m C"]) -> int:
        """The relation of a bag of some sentences."""


class MostCertain:
    """The sentence that is the surest: at least one of a bag says how its two things are related.

    In training, that of which the right relation is the likeliest (Zeng et al., 2015, section 3.4); afterwards, of
    the sentences that are said to have a relation other than ``none``, the likeliest one's.
    """

    def __init__(self, none: int | None) -> None:
        self.none = none

    def learned(
        self,
        scores: Float[Tensor, "B C"],
        attention: Float[Tensor, "B C"],
        members: Bool[Tensor, "N B"],
        relations: Int[Tensor, " N"],
    ) -> Float[Tensor, "N C"]:
        likely = scores.detach().log_softmax(-1)[:, relations.clamp(min=0)].T  # [N B]
        return scores[likely.masked_fill(~members, -torch.inf).argmax(1)]

    def decide(self, scores: Float[Tensor, "m C"], attention: Float[Tensor, "m C"]) -> int:
        sure, best = scores.softmax(-1).max(-1)
        if self.none is not None:
            sure = sure.masked_fill(best == self.none, -1)
        return int(best[sure.argmax()])


class AttentionPooled:
    """Selective attention: a relation has the mean of a bag's sentences, weighted by how well each says it.

    Attention over sentences is a softmax of ``attention``'s column for a relation: the right one's in training; then
    each relation is scored by its own mean. As the classifier is linear, scores are averaged instead of vectors.

    Source: Lin et al. (2016), Neural Relation Extraction with Selective Attention over Instances, section 3.2.
    """

    def learned(
        self,
        scores: Float[Tensor, "B C"],
        attention: Float[Tensor, "B C"],
        members: Bool[Tensor, "N B"],
        relations: Int[Tensor, " N"],
    ) -> Float[Tensor, "N C"]:
        asked = attention[:, relations.clamp(min=0)].T.masked_fill(~members, -torch.inf)  # [N B]
        return asked.float().softmax(-1).to(scores) @ scores

    def decide(self, scores: Float[Tensor, "m C"], attention: Float[Tensor, "m C"]) -> int:
        of_each = attention.softmax(0).T @ scores  # [C C]: row r is the bag's scores by the attention of relation r
        return int(of_each.softmax(-1).diagonal().argmax())


class SentenceQueries(nn.Module):
    """How well each sentence says each relation: x A r, of vectors x, a diagonal A and queries r (equation 8 of Lin et
    al., 2016)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.diagonal = nn.Parameter(torch.ones(width))
        self.queries = nn.Parameter(torch.empty(classes, width))
        nn.init.xavier_uniform_(self.queries)

    def forward(self, vectors: Float[Tensor, "B P"]) -> Float[Tensor, "B C"]:
        return (vectors * self.diagonal) @ self.queries.T
