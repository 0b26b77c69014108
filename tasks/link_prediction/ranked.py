"""What all models of link prediction share: every entity is scored, answers are ranked, the best are named."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mkgc.data.corpus import Corpus
from mkgc.data.graph import Graph
from mkgc.errors import ConfigError
from mkgc.kge.negatives import SIDES
from mkgc.metrics.breakdown import relation_categories
from mkgc.metrics.ranking import Queries, RankingMetrics, Records, ranks, record
from mkgc.task import Encoder, Optim, Task
from tasks.link_prediction.data import LinkCodec, TripleBatch, TripleCodec


class Ranked(Task):
    """Link prediction by scores of all entities; ``top_k`` of them are named when asked."""

    monitor = "dev/mrr"
    codec: TripleCodec

    def __init__(self, backbone: Encoder, codec: TripleCodec, optim: Optim, top_k: int) -> None:
        super().__init__(backbone, codec, optim)
        if top_k < 1:
            raise ConfigError(f"task.model.top_k={top_k} must be at least 1")
        self.top_k = top_k
        self.recorded: list[Records] = []
        files = codec.pictures if isinstance(codec, LinkCodec) else [{} for _ in codec.entities]
        self.pictured: Bool[np.ndarray, " N"] = np.array([any(pictures.values()) for pictures in files], dtype=bool)

    def make_metric(self) -> RankingMetrics:
        return RankingMetrics()

    @abstractmethod
    def scores(self, batch: Any) -> Float[Tensor, "B N"]:
        """The score of every entity as the answer to every query."""

    @abstractmethod
    def probabilities(self, scores: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
        """What predictions say beside an entity, from 0 to 1 and rising with its score."""

    def score(self, batch: TripleBatch, metric: RankingMetrics) -> None:
        """Ranks each target of each query among the entities that are no other known answer."""
        scores = self.scores(batch)
        for side in SIDES:
            asked = batch.targets[batch.asks(side)[batch.targets[:, 0]]]
            if len(asked):
                found = ranks(scores[asked[:, 0]], asked[:, 1], per_target(asked[:, 0], batch.known))
                metric.update(found, side)
                if metric is self.measures["test"]:
                    self.recorded.append(record(found, _triples(batch, asked, side), side, self.pictured))

    def on_test_start(self) -> None:
        self.recorded = []

    def after_test(self, corpus: Corpus, folder: Path) -> None:
        """Keeps every ranked query of the test split in ``queries.npz``, for `mkgc.report`."""
        graph, parts = corpus.source, self._all_recorded()
        if self.trainer.is_global_zero and isinstance(graph, Graph):
            categories = relation_categories(graph.triples["train"], len(graph.relations))
            Queries(np.concatenate(parts), graph.relations, categories).save(folder / "queries.npz")

    def predict(self, batch: TripleBatch) -> list[dict[str, Any]]:
        """The ``top_k`` entities of each query, with their probabilities."""
        best = self.probabilities(self.scores(batch).float()).topk(min(self.top_k, len(self.codec.entities)))
        return [
            {"side": side, "entities": [self._named(e, p) for p, e in zip(*row, strict=True)]}
            for side, *row in zip(batch.sides, best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def _named(self, entity: int, probability: float) -> dict[str, Any]:
        return {"id": self.codec.entities[entity], "name": self.codec.names[entity], "score": probability}

    def _all_recorded(self) -> list[Records]:
        """The records of all processes: each has tested its share."""
        if self.trainer.world_size == 1:
            return self.recorded
        shares: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(shares, self.recorded)
        return [part for share in shares for part in share]


def _triples(batch: TripleBatch, asked: Int[Tensor, "K 2"], side: str) -> Int[Tensor, "K 3"]:
    """The triples behind rows (query, answer)."""
    query, answer = asked.T
    ends = (batch.shown[query], answer) if side == "tail" else (answer, batch.shown[query])
    return torch.stack([ends[0], batch.relation[query], ends[1]], dim=1)


def per_target(queries: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Known answers as pairs (target, entity): each target gets those of its query."""
    same = queries[:, None] == known[None, :, 0]
    rows, columns = same.nonzero(as_tuple=True)
    return rows, known[columns, 1]
