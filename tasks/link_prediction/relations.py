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

from dataclasses import dataclass

from mkgc.kge.model import Target
from tasks.link_prediction.batch import EncodedEntity, PairFeatures, QueryFeatures
from tasks.link_prediction.processor import TripleProcessor


@dataclass(frozen=True)
class RelationQueries:
    """A pair seen from one of its entities: for each relation a query, and the other entity as its ``answer``."""

    queries: list[QueryFeatures]
    answer: int


def relation_queries(processor: TripleProcessor, pair: PairFeatures) -> list[RelationQueries]:
    """The queries for a pair: its tail and its head, as far as the graph has them."""
    found = []
    if not isinstance(pair.tail, EncodedEntity):
        found.append(_asking(processor, pair.head, pair.tail, "tail"))
    if not isinstance(pair.head, EncodedEntity):
        found.append(_asking(processor, pair.tail, pair.head, "head"))
    return found


def _asking(processor: TripleProcessor, anchor: int | EncodedEntity, answer: int, target: Target) -> RelationQueries:
    relations = range(len(processor.relations))
    return RelationQueries([processor.query(anchor, relation, target) for relation in relations], answer)
