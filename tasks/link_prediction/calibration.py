"""How sure a trained model may be of entities and of relations, measured on a sample of dev at a bounded cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.analysis.calibration import Answered, Calibration, calibrate, reliability, sample
from mkgc.data.dataset import Dataset
from mkgc.data.graph import Graph
from mkgc.metrics import EmptyMetricError
from mkgc.metrics.ranking import filter_splits
from mkgc.training.smoke import PROMPTS
from tasks.link_prediction.batch import PairFeatures, TripleBatch, pairs
from tasks.link_prediction.chunks import cached_rows
from tasks.link_prediction.known import Relations
from tasks.link_prediction.processor import TripleProcessor

MOST = 2000
"""Queries of a sample: more teach two parameters nothing."""

LEAST = 32
"""Queries of a sample that are too few already, and are scored whatever they cost."""

SCORES = 1 << 23
"""Scores of a sample: 2,000 queries up to 4,194 entities, 577 of FB15k-237. Fitting them takes seconds."""

READ = 1 << 15
"""Prompts or sequences that a network reads for a sample: a fifth of an epoch's of MKGformer on FB15k-237."""


def calibrated(answered: Mapping[str, tuple[Sequence[Answered], Calibration]]) -> dict[str, Any]:
    """The calibrations of scores, by what they are of, and what they mend of the probabilities without them.

    There is none where no answer of the sample has a competitor, as with a single relation.
    """
    fitted = {name: _fitted(chunks, before) for name, (chunks, before) in answered.items()}
    return {name: values for name, values in fitted.items() if values}


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


def sampled_queries(processor: TripleProcessor, dataset: Dataset, reads: int) -> Iterator[TripleBatch]:
    """Batches of queries of dev, of each of which a network ``reads`` so many prompts or sequences."""
    features: Any = dataset.features["dev"]
    count = len(processor.entities)
    rows = sample(len(features), min(MOST, max(min(SCORES // count, READ // reads), LEAST)))
    for part in _parts(rows, min(processor.settings.batch_size, cached_rows(count))):
        yield processor.collate(features.__getitems__(part.tolist()), dataset.store)


def sampled_pairs(processor: TripleProcessor, graph: Graph, smoke: bool) -> list[tuple[PairFeatures, int]]:
    """Pairs of entities of dev and the relation that is asked for; a smoke run has one, or none if that takes long.

    Whether train and dev know of further relations between two entities is asked of them alone.
    """
    known = Relations([graph.triples[split] for split in filter_splits("strict", "dev")], len(graph.entities))
    reads = 2 * len(graph.relations)
    most = int(reads <= PROMPTS) if smoke else min(MOST, max(READ // reads, LEAST))
    rows = sample(len(graph.triples["dev"]), most)
    triples = graph.triples["dev"][rows].tolist()
    return [(replace(processor.pair(h, t), known=known.between(h, t)), r) for h, r, t in triples]


def answered_pairs(scores: Float[Tensor, "Q R"], sampled: Sequence[tuple[PairFeatures, int]]) -> Answered:
    """The scores of relations between sampled pairs, with the relations that are right."""
    rows: list[list[tuple[int, ...]]] = [[(relation,) for _, relation in sampled], [pair.known for pair, _ in sampled]]
    return Answered(scores, *(pairs(of_all).to(scores.device) for of_all in rows))


def _parts(rows: Int[np.ndarray, " n"], size: int) -> list[Int[np.ndarray, " _"]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
