"""The base of all models of link prediction: every entity is scored, answers are ranked, the best are named."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.analysis.calibration import Answered, Calibration
from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.graph import Graph
from mkgc.data.graph_source import GraphSource
from mkgc.data.type_constraints import admitted_entities
from mkgc.errors import ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.kge.index import EntityIndex
from mkgc.metrics.ranking import RankingMetrics, Ranks, ranks_by_chunks
from mkgc.training.optim import Optim
from mkgc.training.task import Backbone, Task
from tasks.link_prediction import prediction
from tasks.link_prediction.batch import PairFeatures, TripleBatch
from tasks.link_prediction.calibration import answered_pairs, calibrated, restored, sampled_pairs, sampled_queries
from tasks.link_prediction.chunks import entity_chunks
from tasks.link_prediction.known import Known
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.recorded import RankedTriples, save_ranked
from tasks.link_prediction.relations import RelationQueries, relation_queries


class Ranked(Task):
    """Link prediction by scores of all entities; ``top_k`` of them are named when asked."""

    monitor = "dev/mrr"
    rows = Task.rows | {
        re.compile(r"\.new_tokens\.entities\.weight$|^head\.table\.weight$|^head\.bias$|kge\.entities\.weight$"): (
            "entity",
            1,
        ),
        re.compile(r"\.new_tokens\.relations\.weight$|kge\.relations\.weight$|kge\.gate$"): ("relation", 1),
    }
    processor: TripleProcessor
    excluded: Tensor
    admitted: Tensor | None

    def __init__(
        self, backbone: Backbone, processor: TripleProcessor, optim: Optim, metadata: dict[str, Any], top_k: int
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        if top_k < 1:
            raise ConfigError(f"task.model.top_k={top_k} must be at least 1")
        for name in metadata.get("fitted", {}):
            self.calibration(name)
        self.top_k = top_k
        self.entity_index: EntityIndex | None = None
        self.register_buffer("excluded", torch.tensor(processor.excluded, dtype=torch.long), persistent=False)
        self.register_buffer("admitted", None, persistent=False)

    def make_metric(self) -> RankingMetrics:
        return RankingMetrics()

    @abstractmethod
    def queries(self, batch: Any) -> Any:
        """The queries of a batch, which are compared with entities."""

    @abstractmethod
    def score_candidates(self, queries: Any, entities: slice) -> Float[Tensor, "B n"]:
        """The scores of some entities as answers to every query."""

    @property
    @abstractmethod
    def uncalibrated(self) -> Calibration:
        """The probabilities that training had in mind: of each entity on its own, or among all."""

    @property
    def reads(self) -> int:
        """How many prompts or sequences go through the network for one query; structure models count as one."""
        return 1

    def build_index(self, approximate: bool) -> EntityIndex:
        """An index of the vectors that :meth:`queries` are compared with.

        Raises:
            ConfigError: The scores are none that an index knows.
        """
        raise ConfigError(f"{type(self).__name__} compares no vectors that an index could hold: leave out index")

    def constrain(self, source: Any, kind: str | None) -> None:
        if kind is None:
            self.admitted = None
            return
        if self.entity_index is not None:
            raise ConfigError(f"type_constraints={kind} and index exclude each other: an index knows no types")
        source = source.ordered(self.processor.entities, self.processor.relations)
        table = admitted_entities(source.subset(), kind, Path(source.settings.root))
        self.admitted = torch.from_numpy(table).to(self.device)

    def _typed(self, scores: Float[Tensor, "B n"], batch: TripleBatch, entities: slice) -> Float[Tensor, "B n"]:
        """The scores of some entities as answers: -inf of those that type constraints rule out."""
        if self.admitted is None:
            return scores
        allowed = self.admitted[2 * batch.relation + batch.tail, entities]
        return scores.masked_fill(~allowed, -torch.inf)

    def use_language(self, language: str) -> None:
        self.processor.use_language(language)

    def use_index(self, kind: str) -> None:
        if kind not in ("faiss", "approximate"):
            raise ConfigError(f"index={kind}: choose faiss or approximate, or null for none")
        self.entity_index = self.build_index(approximate=kind == "approximate")

    def weight(self, batch: TripleBatch) -> Tensor:
        """The number of queries."""
        return torch.tensor(float(len(batch.anchor)), device=batch.anchor.device)

    def scores(self, batch: Any) -> Float[Tensor, "B N"]:
        """The score of every entity as the answer to every query."""
        return self.score_candidates(self.queries(batch), slice(None))

    def _scores_of_candidates(self, batch: Any) -> Float[Tensor, "B N"]:
        """The scores of all entities: -inf of those that are no candidates."""
        return self.scores(batch).float().index_fill_(1, self.excluded, -torch.inf)

    def relation_scores(self, pair: PairFeatures, store: LoadedImages, size: int) -> Float[Tensor, " R"]:
        """The score of every relation between two entities (:mod:`tasks.link_prediction.relations`).

        ``size`` queries are run at once.
        """
        asked = relation_queries(self.processor, pair)
        return torch.stack([self._relation_scores(one, store, size) for one in asked]).mean(0)

    def _relation_scores(self, asked: RelationQueries, store: LoadedImages, size: int) -> Float[Tensor, " R"]:
        """For each relation the score of one answer to its query."""
        parts = [asked.queries[start : start + size] for start in range(0, len(asked.queries), size)]
        batches = (self.processor.collate(part, store).to(self.device) for part in parts)
        answer = slice(asked.answer, asked.answer + 1)
        return torch.cat([self.score_candidates(self.queries(one), answer)[:, 0].float() for one in batches])

    def update_metric(self, batch: TripleBatch, metric: RankingMetrics) -> Ranks:
        """Ranks each target of each query among the candidates that are no other known answer.

        Under type constraints, what these rule out is ranked behind all else, in no order.
        """
        queries, (rows, targets) = self.queries(batch), batch.targets.unbind(1)
        chunks = entity_chunks(len(self.processor.entities), len(rows), rows.device.type == "cpu")
        known = batch.filtered[:, 0], batch.filtered[:, 1]

        def rank(score: Callable[[Tensor, TripleBatch, slice], Tensor]) -> Ranks:
            def of_each(entities: slice) -> Tensor:
                return score(self.score_candidates(queries, entities), batch, entities)[rows]

            return ranks_by_chunks(of_each, chunks, targets, known, self.excluded)

        found, tail = rank(lambda scores, *_: scores), batch.tail[rows]
        metric.update(found, tail, None if self.admitted is None else rank(self._typed))
        return found

    def record(self, batch: TripleBatch, outcome: Ranks) -> RankedTriples:
        return outcome, batch.triples(batch.targets), batch.tail[batch.targets[:, 0]]

    def after_test(self, dataset: Dataset, folder: Path) -> None:
        """Keeps every ranked query of the test split in ``queries.npz``, for `mkgc.report`."""
        trainer, graph = self.trainer, _graph(dataset.source)
        save_ranked(self.recorded, self.processor, graph, folder, trainer.world_size, trainer.is_global_zero)

    @torch.no_grad()
    def after_fit(self, dataset: Dataset) -> dict[str, Any]:
        """Calibrates the scores of entities and of relations on a sample of dev."""
        self.eval()
        batches = (one.to(self.device) for one in sampled_queries(self.processor, dataset, self.reads))
        entities = [Answered(self._scores_of_candidates(one), one.targets, one.known) for one in batches]
        answered = {"calibration": (entities, self.uncalibrated)}
        sampled = sampled_pairs(self.processor, _graph(dataset.source), self.smoke)
        if sampled:
            size = self.processor.settings.batch_size
            scores = torch.stack([self.relation_scores(pair, dataset.store, size) for pair, _ in sampled])
            answered["relation_calibration"] = ([answered_pairs(scores, sampled)], Calibration("softmax"))
        return calibrated(answered)

    def calibration(self, name: str) -> Calibration | None:
        """The calibration that :meth:`after_fit` has found, or nothing yet."""
        return restored(self.metadata.get("fitted", {}).get(name))

    def exclude_known(self, features: Sequence[Any], source: Any) -> list[Any]:
        known = Known(source.ordered(self.processor.entities, self.processor.relations).graph)
        return [known.beside(item) for item in features]

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The ``top_k`` entities or relations of each question, with their probabilities."""
        queries = [item for item in features if not isinstance(item, PairFeatures)]
        answers = iter(super().predict_items(queries, store, size))
        return [
            self._predict_pair(item, store, size) if isinstance(item, PairFeatures) else next(answers)
            for item in features
        ]

    def predict(self, batch: TripleBatch) -> list[dict[str, Any]]:
        """The ``top_k`` entities of each query, with their probabilities."""
        named = prediction.Candidates(self.processor.entities, self.processor.answer_names[0], self.top_k)
        if self.entity_index is not None:
            asked = self.queries(batch).float()
            return prediction.found(
                batch, *self.entity_index.search(asked, self.top_k, batch.known.unique(dim=0)), named
            )
        learned = self.calibration("calibration")
        scores = self._typed(self._scores_of_candidates(batch), batch, slice(None))
        return prediction.entities(batch, scores, named, learned, self.uncalibrated, self.admitted is not None)

    def _predict_pair(self, pair: PairFeatures, store: LoadedImages, size: int) -> dict[str, Any]:
        named = prediction.Candidates(self.processor.relations, self.processor.answer_names[1], self.top_k)
        scores = self._typed_relations(self.relation_scores(pair, store, size), pair)
        learned = self.calibration("relation_calibration")
        return prediction.relations(pair, scores, named, learned, self.admitted is not None)

    def _typed_relations(self, scores: Float[Tensor, " R"], pair: PairFeatures) -> Float[Tensor, " R"]:
        """The scores of relations between two entities: -inf of those that one of them does not fit."""
        if self.admitted is None:
            return scores
        ends = [(side, end) for side, end in enumerate((pair.head, pair.tail)) if isinstance(end, int)]
        allowed = torch.stack([self.admitted[side::2, end] for side, end in ends]).all(0)
        return scores.masked_fill(~allowed, -torch.inf)


def _graph(source: DataSource) -> Graph:
    assert isinstance(source, GraphSource)
    return source.graph
