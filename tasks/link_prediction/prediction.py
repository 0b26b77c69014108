"""What a user is told: the best entities or relations by name, and whether their probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.data.pictures import PictureStore
from mkgc.metrics.calibration import Calibration
from tasks.link_prediction import relations
from tasks.link_prediction.batch import UNSEEN, PairItem, TripleBatch, Unseen, side_of
from tasks.link_prediction.scoring import Scoring


def entities(model: Scoring, batch: TripleBatch) -> list[dict[str, Any]]:
    """The best entities of each query, without its ``known`` answers and those that are never candidates.

    Scores of queries about an entity that the graph does not have count as not calibrated: dev has no such.
    """
    scores = model.scores(batch).float()
    scores[:, model.left_out] = -torch.inf
    scores[tuple(batch.known.T)] = -torch.inf
    learned = model.calibration("calibration")
    ids, names = model.codec.entities, model.codec.names
    best = _best(scores, learned or model.uncalibrated, model.top_k, ids, names)
    sure = [learned is not None and shown != UNSEEN for shown in batch.shown.tolist()]
    rows = zip(batch.tail.tolist(), sure, best, strict=True)
    return [{"side": side_of(tail), "calibrated": known, "entities": found} for tail, known, found in rows]


def between(model: Scoring, pair: PairItem, store: PictureStore, size: int) -> dict[str, Any]:
    """The best relations of a pair, without those that are ``known``, by probabilities that add up to 1."""
    scores = relations.scores(model, [pair], store, size)
    scores[:, list(pair.known)] = -torch.inf
    learned = model.calibration("relation_calibration")
    ids, names = model.codec.relations, model.codec.relation_names
    (best,) = _best(scores, learned or Calibration("softmax"), model.top_k, ids, names)
    sure = learned is not None and not isinstance(pair.head, Unseen) and not isinstance(pair.tail, Unseen)
    return {"side": "relation", "calibrated": sure, "relations": best}


def _best(
    scores: Float[Tensor, "B N"], calibration: Calibration, count: int, ids: Sequence[str], names: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """By score, as probabilities may round to equals; what is left out is never named."""
    best = scores.topk(min(count, scores.shape[1]))
    sure = calibration(scores).gather(1, best.indices)
    return [
        [
            {"id": ids[place], "name": names[place], "score": probability}
            for score, place, probability in zip(*row, strict=True)
            if score > -torch.inf
        ]
        for row in zip(best.values.tolist(), best.indices.tolist(), sure.tolist(), strict=True)
    ]
