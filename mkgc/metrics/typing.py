"""Entity typing: sets of types of mentions, strict, loose by mention (macro) and loose over all (micro)."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor
from torchmetrics import Metric

from mkgc.metrics import EmptyMetricError, precision_recall_f1


class TypingF1(Metric):
    """Micro precision, recall and F1 of types, strict accuracy, and the loose macro measures.

    Macro precision is the mean, over mentions of which types were predicted, of the share of these that are right;
    macro recall the mean, over mentions that have types, of the share of these that was found; macro F1 their harmonic
    mean. By convention a measure is 0 where its denominator is.

    Source: Ling and Weld (2012), Fine-Grained Entity Recognition, section 4; so in the ultra-fine typing field (Choi et
    al., 2018).
    """

    full_state_update = False
    counts: Tensor  # true positives, predicted, gold
    exact: Tensor
    mentions: Tensor  # all, those with predicted types, those with gold ones
    shares: Tensor  # sums of precisions and of recalls by mention

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(3, dtype=torch.long), "sum")
        self.add_state("exact", torch.tensor(0), "sum")
        self.add_state("mentions", torch.zeros(3, dtype=torch.long), "sum")
        self.add_state("shares", torch.zeros(2), "sum")

    def update(self, predicted: Bool[Tensor, "B C"], gold: Bool[Tensor, "B C"], known: Bool[Tensor, " B"]) -> None:
        """Adds the types of a batch of mentions; where ``known`` is False, no gold ones are."""
        predicted, gold = predicted & known[:, None], gold & known[:, None]
        parts = [(predicted & gold).sum(1), predicted.sum(1), gold.sum(1)]
        right, found, there = parts
        self.counts += torch.stack(parts).sum(1)
        self.exact += (known & (predicted == gold).all(1)).sum()
        self.mentions += torch.stack([known, found > 0, there > 0]).sum(1)
        self.shares += torch.stack([right / found.clamp(min=1), right / there.clamp(min=1)]).sum(1)

    def compute(self) -> dict[str, float]:
        """``precision``, ``recall``, ``f1`` (micro), ``accuracy``, ``macro_…``, and ``support``: how many gold types.

        Raises:
            EmptyMetricError: There was no mention.
        """
        count, *with_types = self.mentions.tolist()
        if not count:
            raise EmptyMetricError("no mention was typed: the split has no examples")
        right, predicted, gold = self.counts.tolist()
        precision, recall = (
            share / of if of else 0.0 for share, of in zip(self.shares.tolist(), with_types, strict=True)
        )
        both = precision + recall
        macro = {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}
        return {
            **precision_recall_f1(right, predicted, gold),
            "accuracy": int(self.exact) / count,
            **{f"macro_{name}": value for name, value in macro.items()},
            "support": gold,
        }
