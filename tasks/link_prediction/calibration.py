"""How sure a trained model may be of entities and of relations, measured on a sample of dev at a bounded cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from mkgc.analysis.calibration import Answered, Calibration, calibrate, reliability, sample
from mkgc.data.dataset import Dataset
from mkgc.data.graph_source import GraphSource
from mkgc.metrics import EmptyMetricError
from mkgc.metrics.ranking import filter_splits
from tasks.link_prediction import relations
from tasks.link_prediction.known import Relations
from tasks.link_prediction.scoring import CACHED, Scoring

MOST = 2000
"""Queries of a sample: more teach two parameters nothing."""

LEAST = 32
"""Queries of a sample that are too few already, and are scored whatever they cost."""

SCORES = 1 << 23
"""Scores of a sample: 2,000 queries up to 4,194 entities, 577 of FB15k-237. Fitting them takes seconds."""

READ = 1 << 15
"""Prompts or sequences that a network reads for a sample: a fifth of an epoch's of MKGformer on FB15k-237."""


@torch.no_grad()
def calibrated(model: Scoring, dataset: Dataset) -> dict[str, Any]:
    """The calibrations of a model's scores of entities and of relations, with what they mend on the sample.

    There is none where no answer of the sample has a competitor, as with a single relation.
    """
    entities, between = list(_entities(model, dataset)), list(_relations(model, dataset))
    found = {
        "calibration": _fitted(entities, model.uncalibrated),
        "relation_calibration": _fitted(between, Calibration("softmax")),
    }
    return {name: values for name, values in found.items() if values}


def restored(values: dict[str, Any] | None) -> Calibration | None:
    """A calibration of :func:`calibrated`, if there is one."""
    return None if values is None else Calibration(values["kind"], values["temperature"], values["bias"])


def _fitted(chunks: Sequence[Answered], before: Calibration) -> dict[str, Any]:
    try:
        without = reliability(chunks, before)
    except EmptyMetricError:
        return {}
    after = calibrate(chunks, before.kind)
    count = sum(len(chunk.scores) for chunk in chunks)
    return {**asdict(after), "queries": count, "before": without, "after": reliability(chunks, after)}


def _entities(model: Scoring, dataset: Dataset) -> Iterator[Answered]:
    features: Any = dataset.features["dev"]
    most = min(SCORES // len(model.processor.entities), READ // model.reads)
    rows = sample(len(features), min(MOST, max(most, LEAST)))
    size = min(model.processor.settings.batch_size, max(CACHED // len(model.processor.entities), 1))
    for part in _parts(rows, size):
        batch = model.processor.collate(features.__getitems__(part.tolist()), dataset.store).to(model.device)
        scores = model.scores(batch).float()
        scores[:, model.excluded] = -torch.inf
        yield Answered(scores, batch.targets, batch.known)


def _relations(model: Scoring, dataset: Dataset) -> Iterator[Answered]:
    """Whether train and dev know of further relations between two entities is asked of them alone."""
    assert isinstance(dataset.source, GraphSource)
    graph = dataset.source.graph
    known = Relations([graph.triples[split] for split in filter_splits("strict", "dev")], len(graph.entities))
    rows = sample(len(graph.triples["dev"]), min(MOST, max(READ // (2 * len(graph.relations)), LEAST)))
    size = model.processor.settings.batch_size
    for part in _parts(rows, size):
        triples = graph.triples["dev"][part].tolist()
        scores = relations.scores(model, [model.processor.pair(h, t) for h, _, t in triples], dataset.store, size)
        targets = [(row, relation) for row, (_, relation, _) in enumerate(triples)]
        others = [(row, r) for row, (h, _, t) in enumerate(triples) for r in known.between(h, t)]
        yield Answered(scores, *(torch.tensor(pairs, device=scores.device) for pairs in (targets, others)))


def _parts(rows: Int[np.ndarray, " n"], size: int) -> list[Int[np.ndarray, " _"]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
