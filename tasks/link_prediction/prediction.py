"""Predictions in a user's terms: the best entities or relations by name, and whether they are calibrated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.analysis.calibration import Calibration
from tasks.link_prediction.batch import INDUCTIVE, PairFeatures, TripleBatch, target_of

Named = list[dict[str, Any]]


@dataclass(frozen=True)
class Candidates:
    """Entities or relations by number; ``top_k`` of them are named."""

    ids: Sequence[str]
    names: Sequence[str]
    top_k: int

    def best(self, scores: Float[Tensor, "B N"], calibration: Calibration) -> list[Named]:
        """By score, as probabilities may round to equals; what is left out is never named."""
        best = scores.topk(min(self.top_k, scores.shape[1]))
        sure = calibration(scores).gather(1, best.indices)
        rows = zip(best.values.tolist(), best.indices.tolist(), sure.tolist(), strict=True)
        return [self.named(*row) for row in rows]

    def named(self, scores: Sequence[float], places: Sequence[int], numbers: Sequence[float]) -> Named:
        """Those at some places with the numbers that a user is told; a score of -inf says that there is none."""
        return [
            {"id": self.ids[place], "name": self.names[place], "score": number}
            for score, place, number in zip(scores, places, numbers, strict=True)
            if score > -torch.inf
        ]


def entities(
    batch: TripleBatch,
    scores: Float[Tensor, "B N"],
    candidates: Candidates,
    learned: Calibration | None,
    uncalibrated: Calibration,
    constrained: bool = False,
) -> list[dict[str, Any]]:
    """The best entities of each query, without its ``known`` answers, whose scores are written over.

    Not calibrated count scores about an entity that the graph does not have, since dev has no such, those among
    ``constrained`` answers, and those that share what known answers had: dev's questions have an answer beside these,
    and a user's need not.
    """
    scores[tuple(batch.known.T)] = -torch.inf
    calibration = learned or uncalibrated
    best = candidates.best(scores, calibration)
    shared = set(batch.known[:, 0].tolist()) if calibration.kind == "softmax" else set()
    sure = [
        learned is not None and not constrained and anchor != INDUCTIVE and row not in shared
        for row, anchor in enumerate(batch.anchor.tolist())
    ]
    return _answers(batch, sure, best)


def found(
    batch: TripleBatch, scores: Float[Tensor, "B K"], places: Int[Tensor, "B K"], candidates: Candidates
) -> list[dict[str, Any]]:
    """The entities that an index found; not calibrated, as what the others would score is not known."""
    named = [candidates.named(best, which, best) for best, which in zip(scores.tolist(), places.tolist(), strict=True)]
    return _answers(batch, [False] * len(named), named)


def _answers(batch: TripleBatch, sure: Iterable[bool], named: Iterable[Named]) -> list[dict[str, Any]]:
    rows = zip(batch.tail.tolist(), sure, named, strict=True)
    return [{"side": target_of(tail), "calibrated": known, "entities": best} for tail, known, best in rows]


def relations(
    pair: PairFeatures,
    scores: Float[Tensor, " R"],
    candidates: Candidates,
    learned: Calibration | None,
    constrained: bool = False,
) -> dict[str, Any]:
    """The best relations of a pair, without those that are ``known``, by probabilities that add up to 1.

    Where some are left out they are not calibrated, as in :func:`entities`.
    """
    scores = scores.index_fill(0, torch.tensor(pair.known, dtype=torch.long, device=scores.device), -torch.inf)
    (best,) = candidates.best(scores[None], learned or Calibration("softmax"))
    known = isinstance(pair.head, int) and isinstance(pair.tail, int)
    sure = learned is not None and known and not constrained and not pair.known
    return {"side": "relation", "calibrated": sure, "relations": best}
