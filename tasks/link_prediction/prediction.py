"""What a user is told: the best entities or relations by name, and whether their probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.analysis.calibration import Calibration
from mkgc.images.loaded import LoadedImages
from mkgc.kge.index import EntityIndex
from tasks.link_prediction import relations
from tasks.link_prediction.batch import INDUCTIVE, EncodedEntity, PairFeatures, TripleBatch, target_of
from tasks.link_prediction.scoring import Scoring


def entities(model: Scoring, batch: TripleBatch) -> list[dict[str, Any]]:
    """The best entities of each query, without its ``known`` answers and those that are never candidates.

    Scores of queries about an entity that the graph does not have count as not calibrated: dev has no such. Neither are
    those that an index finds: what the others would score is not known then.
    """
    if model.entity_index is not None:
        return _found(model, batch, model.entity_index)
    scores = model.scores(batch).float()
    scores[:, model.excluded] = -torch.inf
    scores[tuple(batch.known.T)] = -torch.inf
    learned = model.calibration("calibration")
    ids, names = model.processor.entities, model.processor.names
    best = _best(scores, learned or model.uncalibrated, model.top_k, ids, names)
    sure = [learned is not None and anchor != INDUCTIVE for anchor in batch.anchor.tolist()]
    rows = zip(batch.tail.tolist(), sure, best, strict=True)
    return [{"side": target_of(tail), "calibrated": known, "entities": found} for tail, known, found in rows]


def _found(model: Scoring, batch: TripleBatch, entity_index: EntityIndex) -> list[dict[str, Any]]:
    known = batch.known.unique(dim=0)
    scores, places = entity_index.search(model.queries(batch).float(), model.top_k, known)
    ids, names = model.processor.entities, model.processor.names
    rows = zip(batch.tail.tolist(), scores.tolist(), places.tolist(), strict=True)
    return [
        {"side": target_of(tail), "calibrated": False, "entities": _named(best, which, best, ids, names)}
        for tail, best, which in rows
    ]


def between(model: Scoring, pair: PairFeatures, store: LoadedImages, size: int) -> dict[str, Any]:
    """The best relations of a pair, without those that are ``known``, by probabilities that add up to 1."""
    scores = relations.scores(model, [pair], store, size)
    scores[:, list(pair.known)] = -torch.inf
    learned = model.calibration("relation_calibration")
    ids, names = model.processor.relations, model.processor.relation_names
    (best,) = _best(scores, learned or Calibration("softmax"), model.top_k, ids, names)
    sure = learned is not None and not isinstance(pair.head, EncodedEntity) and not isinstance(pair.tail, EncodedEntity)
    return {"side": "relation", "calibrated": sure, "relations": best}


def _best(
    scores: Float[Tensor, "B N"], calibration: Calibration, count: int, ids: Sequence[str], names: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """By score, as probabilities may round to equals; what is left out is never named."""
    best = scores.topk(min(count, scores.shape[1]))
    sure = calibration(scores).gather(1, best.indices)
    rows = zip(best.values.tolist(), best.indices.tolist(), sure.tolist(), strict=True)
    return [_named(*row, ids, names) for row in rows]


def _named(
    scores: Sequence[float], places: Sequence[int], numbers: Sequence[float], ids: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {"id": ids[place], "name": names[place], "score": number}
        for score, place, number in zip(scores, places, numbers, strict=True)
        if score > -torch.inf
    ]
