"""Relations of bags: sentences about the same two things, of which one at least says how these are related."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from mkgc.batch import IGNORED
from mkgc.metrics import precision_recall_f1
from mkgc.metrics.relation import RelationF1

Decide = Callable[[Float[Tensor, "m C"], Float[Tensor, "m C"]], int]
"""From the scores of a bag's sentences and the scores of their attention to the bag's relation."""


class BagF1(RelationF1):
    """The measures of sentences, and those of bags, whose names begin with ``bag_``.

    The right relations of a bag are those of its sentences but for ``none``, and ``decide`` predicts one of it, or
    ``none``.
    """

    scores: list[Tensor]
    attention: list[Tensor]
    bags: list[Tensor]
    targets: list[Tensor]

    def __init__(self, decide: Decide, none: int | None = None) -> None:
        super().__init__(none)
        self.decide = decide
        for name in ("scores", "attention", "bags", "targets"):
            self.add_state(name, [], "cat")

    def update(  # type: ignore[override]  # scores of all relations, and bags
        self,
        scores: Float[Tensor, "B C"],
        target: Int[Tensor, " B"],
        bags: Int[Tensor, " B"],
        attention: Float[Tensor, "B C"],
    ) -> None:
        """Adds a batch of sentences with the numbers of their bags; those of a bag may come in any batches."""
        super().update(scores.argmax(-1), target)
        for state, value in zip(
            (self.scores, self.attention, self.bags, self.targets), (scores, attention, bags, target), strict=True
        ):
            state.append(value.detach())

    def compute(self) -> dict[str, float]:
        """Those of sentences, ``bag_precision``, ``bag_recall``, ``bag_f1`` and ``bag_support``; raises likewise."""
        found = super().compute()
        scores, attention = (dim_zero_cat(part).float().cpu() for part in (self.scores, self.attention))
        targets, (names, places) = (
            dim_zero_cat(self.targets).cpu(),
            torch.unique(dim_zero_cat(self.bags).cpu(), return_inverse=True),
        )
        order = places.argsort(stable=True)
        right = predicted = gold = 0
        for rows in order.split(torch.bincount(places, minlength=len(names)).tolist()):
            one = self.decide(scores[rows], attention[rows])
            there = {*targets[rows].tolist()} - {IGNORED, self.none}
            right, predicted, gold = right + (one in there), predicted + (one != self.none), gold + len(there)
        measures = precision_recall_f1(right, predicted, gold) | {"support": gold}
        return found | {f"bag_{name}": value for name, value in measures.items()}
