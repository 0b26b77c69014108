"""The missing relation: how every model of link prediction scores all relations between two entities.

No model is trained for this question, but each scores triples. A relation's score is the mean of two: that of the tail
as the answer to (head, relation, ?), and that of the head as the answer to (?, relation, tail). Scores, not their
log-probabilities among entities: structure models and sequences have one number for a triple, whichever side is asked
for, and rank by it; and a relation costs the scores of two answers, not of all entities twice. Measured on 200 triples
of the Atlas's test split, with the relations that are known beside the right one left out: MRR .745 by scores and .663
by log-probabilities for ComplEx, .854 and .865 for the text alone. Where one of the two is not of the graph, it cannot
be an answer, and the score is that of the other alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.images.loaded import LoadedImages
from mkgc.kge.model import Target
from tasks.link_prediction.batch import EncodedEntity, PairFeatures
from tasks.link_prediction.scoring import Scoring


def scores(model: Scoring, pairs: Sequence[PairFeatures], store: LoadedImages, size: int) -> Float[Tensor, "Q R"]:
    """The score of every relation between the entities of each pair; ``size`` queries are run at once."""
    return torch.stack([_between(model, pair, store, size) for pair in pairs])


def _between(model: Scoring, pair: PairFeatures, store: LoadedImages, size: int) -> Float[Tensor, " R"]:
    sides: list[Tensor] = []
    if not isinstance(pair.tail, EncodedEntity):
        sides.append(_read_at(model, pair.head, pair.tail, "tail", store, size))
    if not isinstance(pair.head, EncodedEntity):
        sides.append(_read_at(model, pair.tail, pair.head, "head", store, size))
    return torch.stack(sides).mean(0)


def _read_at(
    model: Scoring, anchor: int | EncodedEntity, answer: int, target: Target, store: LoadedImages, size: int
) -> Float[Tensor, " R"]:
    """For each relation the score of one answer to its query."""
    processor, here = model.processor, slice(answer, answer + 1)
    parts = []
    for relations in torch.arange(len(processor.relations)).split(size):
        asked = [processor.query(anchor, relation, target) for relation in relations.tolist()]
        queries = model.queries(processor.collate(asked, store).to(model.device))
        parts.append(model.score_candidates(queries, here)[:, 0].float())
    return torch.cat(parts)
