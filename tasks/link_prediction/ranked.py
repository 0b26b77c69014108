"""What all models of link prediction share: every entity is scored, answers are ranked, the best are named."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.analysis.breakdown import judged
from mkgc.analysis.calibration import Calibration
from mkgc.analysis.queries import Records, record
from mkgc.data.dataset import Dataset
from mkgc.data.graph_source import GraphSource
from mkgc.errors import ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.kge.index import EntityIndex
from mkgc.metrics.ranking import RankingMetrics, Ranks, ranks_by_chunks
from mkgc.training.optim import Optim
from mkgc.training.task import Encoder, Task
from tasks.link_prediction import prediction
from tasks.link_prediction.batch import PairFeatures, TripleBatch
from tasks.link_prediction.calibration import calibrated, restored
from tasks.link_prediction.known import Known
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.scoring import CACHED

AT_ONCE = 1 << 25
"""Scores that are in memory at a time while answers are ranked: 128 MiB of them, whatever the graph's size."""


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

    def __init__(
        self, backbone: Encoder, processor: TripleProcessor, optim: Optim, metadata: dict[str, Any], top_k: int
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        if top_k < 1:
            raise ConfigError(f"task.model.top_k={top_k} must be at least 1")
        for name in metadata.get("fitted", {}):
            self.calibration(name)
        self.top_k = top_k
        self.entity_index: EntityIndex | None = None
        self.ranked: list[tuple[Ranks, Tensor, Tensor]] = []
        self.register_buffer("excluded", torch.tensor(processor.excluded, dtype=torch.long), persistent=False)

    def make_metric(self) -> RankingMetrics:
        return RankingMetrics()

    @abstractmethod
    def queries(self, batch: Any) -> Any:
        """What of a batch is compared with entities."""

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

    def index(self, kind: str) -> None:
        if kind not in ("faiss", "approximate"):
            raise ConfigError(f"index={kind}: choose faiss or approximate, or null for none")
        self.entity_index = self.build_index(approximate=kind == "approximate")

    def weight(self, batch: TripleBatch) -> Tensor:
        """The number of queries."""
        return torch.tensor(float(len(batch.anchor)), device=batch.anchor.device)

    def scores(self, batch: Any) -> Float[Tensor, "B N"]:
        """The score of every entity as the answer to every query."""
        return self.score_candidates(self.queries(batch), slice(None))

    def update_metric(self, batch: TripleBatch, metric: RankingMetrics) -> None:
        """Ranks each target of each query among the candidates that are no other known answer."""
        queries, (rows, targets) = self.queries(batch), batch.targets.unbind(1)
        found = ranks_by_chunks(
            lambda entities: self.score_candidates(queries, entities)[rows],
            self._chunks(rows),
            targets,
            (batch.filtered[:, 0], batch.filtered[:, 1]),
            self.excluded,
        )
        tail = batch.tail[rows]
        metric.update(found, tail)
        if metric is self.metrics["test"]:
            self.ranked.append((found, batch.triples(batch.targets), tail))

    def _chunks(self, rows: Int[Tensor, " K"]) -> list[slice]:
        """The entities in parts of which so many rows of scores fit into memory."""
        count, height = len(self.processor.entities), max(len(rows), 1)
        most = CACHED if rows.device.type == "cpu" and count * height > AT_ONCE else AT_ONCE
        size = max(most // height, 1)
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def on_test_start(self) -> None:
        self.ranked = []

    def after_test(self, dataset: Dataset, folder: Path) -> None:
        """Keeps every ranked query of the test split in ``queries.npz``, for `mkgc.report`."""
        source, parts = dataset.source, self._all_recorded()
        assert isinstance(source, GraphSource)
        graph = source.graph
        if self.trainer.is_global_zero:
            judged(np.concatenate(parts), graph.relations, graph.triples["train"]).save(folder / "queries.npz")

    def after_fit(self, dataset: Dataset) -> dict[str, Any]:
        """Calibrates the scores on a sample of dev."""
        self.eval()
        return calibrated(self, dataset)

    def calibration(self, name: str) -> Calibration | None:
        """What :meth:`after_fit` has found, or nothing yet."""
        return restored(self.metadata.get("fitted", {}).get(name))

    def exclude_known(self, features: Sequence[Any], source: Callable[[], Any]) -> list[Any]:
        known = Known(source().ordered(self.processor.entities, self.processor.relations).graph)
        return [known.beside(item) for item in features]

    def predict_items(self, features: Sequence[Any], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The ``top_k`` entities or relations of each question, with their probabilities."""
        asked = iter(
            super().predict_items([item for item in features if not isinstance(item, PairFeatures)], store, size)
        )
        return [
            prediction.between(self, item, store, size) if isinstance(item, PairFeatures) else next(asked)
            for item in features
        ]

    def predict(self, batch: TripleBatch) -> list[dict[str, Any]]:
        """The ``top_k`` entities of each query, with their probabilities."""
        return prediction.entities(self, batch)

    def _all_recorded(self) -> list[Records]:
        """The records of all processes: each has tested its share."""
        imaged = np.array([any(groups.values()) for groups in self.processor.images], dtype=bool)
        own = [record(*part, imaged) for part in self.ranked]
        if self.trainer.world_size == 1:
            return own
        shares: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(shares, own)
        return [part for share in shares for part in share]
