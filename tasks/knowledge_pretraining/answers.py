"""What a pretrained model says of people's own sentences, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from tasks.knowledge_pretraining.batch import PretrainingBatch

LIKELY = 0.5
"""The probability from which on a relation is told."""


def link_mentions(
    answers: Sequence[dict[str, Any]], scores: Mapping[str, Tensor], batch: PretrainingBatch, entities: Sequence[str]
) -> None:
    """Adds to each answer whom its mentions mean, and how probably each bears the name of another entity."""
    most = batch.spans.shape[1]
    for answer in answers:
        answer["mentions"] = []
    rows = [place // most for place in batch.linked.places.tolist()]
    told: list[dict[str, Any]] = [{} for _ in rows]
    if "entities" in scores:
        best = scores["entities"].float().softmax(-1).max(-1)
        for one, score, entity in zip(told, best.values.tolist(), best.indices.tolist(), strict=True):
            one |= {"predicted": entities[entity], "score": score}
    if "replaced" in scores:
        for one, false in zip(told, scores["replaced"].float().sigmoid().tolist(), strict=True):
            one["replaced"] = false
    for row, one in zip(rows, told, strict=True):
        answers[row]["mentions"].append(one)


def relate_mentions(
    answers: Sequence[dict[str, Any]],
    probabilities: Float[Tensor, "P R"],
    batch: PretrainingBatch,
    relations: Sequence[str],
) -> None:
    """Adds to each answer the likely relations of its mentions, by their places in the answer's list of these."""
    most = batch.spans.shape[1]
    for answer in answers:
        answer["relations"] = []
    for (head, tail), row in zip(batch.related.ends.tolist(), probabilities.tolist(), strict=True):
        answers[head // most]["relations"] += [
            {"head": head % most, "tail": tail % most, "relation": relation, "score": score}
            for relation, score in zip(relations, row, strict=True)
            if score >= LIKELY
        ]
