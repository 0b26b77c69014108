"""Link prediction by vectors of entities and relations, from the graph's structure and at most its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.analysis.calibration import Calibration
from mkgc.data.dataset import Dataset
from mkgc.data.examples import ImagePaths
from mkgc.errors import ConfigError
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.index import EntityIndex, index_of
from mkgc.kge.model import KGEModel
from mkgc.kge.negatives import NegativeSampler, Subsampling
from mkgc.losses.adversarial import self_adversarial
from mkgc.losses.kvsall import binary_kvsall
from mkgc.losses.margin import margin_ranking
from mkgc.losses.n3 import n3
from mkgc.losses.onevsall import one_vs_all
from mkgc.training.optim import Optim
from mkgc.training.smoke import HANDFUL
from tasks.link_prediction.batch import TripleBatch
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.ranked import Ranked

OBJECTIVES = ("kvsall", "onevsall", "negatives", "margin")


@dataclass(frozen=True)
class Structure:
    """How a structure model learns.

    ``objective`` is "kvsall" (each entity is an answer to a query or not), "onevsall" (each answer against all
    entities), "negatives" or "margin": each answer against so many ``negatives`` drawn at random, by self-adversarial
    negative sampling with ``margin`` and ``temperature``, or by ranking. ``filtered`` draws none that training knows to
    be right; ``subsampling`` lets triples count less, the more there are like them. ``smoothing`` is that of the first
    two's labels, ``n3`` the weight of the nuclear 3-norm.
    """

    objective: Literal["kvsall", "onevsall", "negatives", "margin"] = "onevsall"
    negatives: int = 64
    filtered: bool = False
    subsampling: bool = False
    margin: float = 9.0
    temperature: float = 1.0
    smoothing: float = 0.0
    n3: float = 0.0

    def __post_init__(self) -> None:
        key = "task.model.structure"
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"{key}.objective={self.objective}: choose {', '.join(OBJECTIVES)}")
        if self.negatives < 1:
            raise ConfigError(f"{key}.negatives={self.negatives} must be at least 1")
        if self.subsampling and self.objective != "negatives":
            raise ConfigError(f"{key}.subsampling=true weighs the triples of objective=negatives, not {self.objective}")
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"{key}.smoothing={self.smoothing}: 0 <= smoothing < 1")
        if self.n3 < 0:
            raise ConfigError(f"{key}.n3={self.n3} must not be negative")

    @property
    def draws(self) -> bool:
        """Whether answers are compared with some entities only."""
        return self.objective in ("negatives", "margin")


class KGEEncoder(nn.Module):
    """A structure model in the place of a backbone: it looks at images before training, if at all."""

    keeps_images = True

    def __init__(self, kge: KGEModel) -> None:
        super().__init__()
        self.kge = kge

    @property
    def frozen_prefixes(self) -> dict[str, Any]:
        """None: what images show is part of the model."""
        return {}

    def architecture_configs(self) -> dict[str, Any]:
        """Image vectors are saved with the weights, so that their encoder is needed no more."""
        return {"vision": None} if isinstance(self.kge, ImageAware) else {}


class StructurePrediction(Ranked):
    """Scores of entities by :mod:`mkgc.kge`, learned from the triples and, by some models, from images."""

    def __init__(
        self,
        backbone: Callable[..., KGEModel],
        processor: TripleProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        structure: Structure,
        top_k: int = 10,
    ) -> None:
        entities, relations = len(processor.entities), len(processor.relations)
        kge = backbone(entities=entities, relations=relations)
        if kge.sparse and not structure.draws:
            raise ConfigError("backbone.sparse=true needs task.model.structure.objective=negatives or margin")
        if kge.sparse != optim.sparse:
            raise ConfigError("backbone.sparse=true and optim.optimizer=torch.optim.SparseAdam need each other")
        super().__init__(KGEEncoder(kge), processor, optim, metadata, top_k)
        self.kge, self.structure = kge, structure
        self.negatives = NegativeSampler(entities, relations, structure.negatives)
        self.subsampling: Subsampling | None = None
        self.build_metrics()

    def before_fit(self, dataset: Dataset, resumed: bool = False) -> dict[str, Any]:
        """Looks at the images and counts the training triples, as far as they are asked for."""
        features: Any = dataset.features["train"]
        triples = torch.from_numpy(features.triples)
        if isinstance(self.kge, ImageAware):
            images = _first(self.processor.images) if self.smoke else self.processor.images
            self.kge.prepare(images, triples, dataset.store, self.processor.settings)
        if self.structure.draws and self.structure.filtered:
            size = self.negatives.entities, self.negatives.relations
            self.negatives = NegativeSampler(*size, self.structure.negatives, known=triples)
        if self.structure.subsampling:
            self.subsampling = Subsampling(triples, self.negatives.relations)
        return {}

    def queries(self, batch: TripleBatch) -> Float[Tensor, "B W"]:
        """The vectors that entities are compared with."""
        return self.kge.compose(batch.anchor, batch.relation, batch.tail)

    def score_candidates(self, queries: Float[Tensor, "B W"], entities: slice) -> Float[Tensor, "B n"]:
        return self.kge.comparison.all(queries, self.kge.entity_representations(entities))

    def build_index(self, approximate: bool) -> EntityIndex:
        return index_of(self.kge, approximate, self.excluded)

    @property
    def uncalibrated(self) -> Calibration:
        """As the objective has them: of each on its own (kvsall, negatives) or among all."""
        if self.structure.draws:
            return Calibration("sigmoid", bias=self.structure.margin)
        return Calibration("sigmoid" if self.structure.objective == "kvsall" else "softmax")

    def losses(self, batch: TripleBatch) -> dict[str, Tensor]:
        triples = batch.triples(batch.targets)
        weights = self._weights(batch, triples)
        if self.structure.draws:
            total = (weights * self._sampled(batch, triples)).sum()
        else:
            total = self._among_all(batch)
        return {"triples": (total + (weights * self._auxiliary(triples)).sum()) / weights.sum()}

    def weight(self, batch: TripleBatch) -> Tensor:
        """Of all triples that answer the batch's queries."""
        return self._weights(batch, batch.triples(batch.targets)).sum()

    def _weights(self, batch: TripleBatch, triples: Int[Tensor, "K 3"]) -> Float[Tensor, " K"]:
        """How much each triple counts: in "kvsall", each query counts as one, however many answers it has."""
        if self.structure.objective == "kvsall":
            return 1 / batch.counts()[batch.targets[:, 0]]
        if self.subsampling is not None:
            return self.subsampling(triples)
        return torch.ones(len(triples), device=triples.device)

    def _among_all(self, batch: TripleBatch) -> Float[Tensor, ""]:
        """The summed losses of answers against all entities."""
        scores, answers = self.scores(batch), (batch.targets[:, 0], batch.targets[:, 1])
        if self.structure.objective == "kvsall":
            return binary_kvsall(scores, answers, self.structure.smoothing) * len(scores)
        return one_vs_all(scores, answers, self.structure.smoothing).sum()

    def _sampled(self, batch: TripleBatch, triples: Int[Tensor, "K 3"]) -> Float[Tensor, " K"]:
        """The loss of each answer against entities drawn in its place."""
        query, answer = batch.targets.unbind(1)
        tail = batch.tail[query]
        queries = self.kge.compose(batch.anchor[query], batch.relation[query], tail)
        candidates = torch.cat([answer[:, None], self.negatives(triples, tail)], 1)
        return self._ordered(self.kge.compare(queries, candidates))

    def _ordered(self, scores: Float[Tensor, "B K"]) -> Float[Tensor, " B"]:
        """The loss of each triple's score, in the first column, beside those of wrong answers."""
        how, positive, negative = self.structure, scores[:, 0], scores[:, 1:]
        if how.objective == "margin":
            return margin_ranking(positive, negative, how.margin)
        return self_adversarial(positive, negative, how.margin, how.temperature)

    def _auxiliary(self, triples: Int[Tensor, "K 3"]) -> Float[Tensor, " K"]:
        """The loss beside the objective, for each triple."""
        auxiliary, weight = self.kge.auxiliary_loss(*triples.T), self.structure.n3
        loss = torch.zeros(len(triples), device=triples.device) if auxiliary is None else auxiliary
        return loss + weight * n3(self.kge.factors(*triples.T)) if weight else loss

    def on_train_batch_end(self, *_: Any) -> None:
        self.kge.constrain()


def _first(images: Sequence[ImagePaths]) -> list[ImagePaths]:
    """The images of a handful of those entities that have some, for a smoke run."""
    shown = set([entity for entity, files in enumerate(images) if any(files.values())][:HANDFUL])
    return [files if entity in shown else {} for entity, files in enumerate(images)]
