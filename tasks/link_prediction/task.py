"""Multimodal link prediction: a masked entity is predicted from text and images of the known one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mkgc.analysis.calibration import Calibration
from mkgc.data.dataset import Dataset
from mkgc.errors import ConfigError
from mkgc.heads.masked_lm import MaskedLM
from mkgc.kge.index import EntityIndex
from mkgc.losses.kvsall import binary_kvsall
from mkgc.losses.softmax import softmax_kvsall
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.training.optim import Optim
from tasks.link_prediction.batch import LinkBatch
from tasks.link_prediction.explained import LinkExplainer
from tasks.link_prediction.prompt_processor import LinkProcessor
from tasks.link_prediction.ranked import Ranked
from tasks.link_prediction.stage1 import Stage1, fit_entities


class LinkPrediction(Ranked):
    """Stage 1 learns entity vectors from descriptions and images, stage 2 completes triples.

    An entity's vector is its token's embedding, shared between input and output, and a bias; a query's is the state at
    the mask, transformed as in BERT's masked language model: LN(gelu(W h)). ``objective`` is "bce" as released (each
    entity is an answer or not) or "softmax" (probability spread evenly over all answers), which learns faster from few
    triples. ``smoothing`` e makes labels y (1 - e) y + e / N, for N entities.

    ``hide`` is the share of training queries with an image whose entity is shown by its image alone: its own token,
    which learns by heart what training says of it, and its text are left out.

    Source: MKGformer (Chen et al., 2022), section 3.3; prompts and head as in its released code. Hiding a modality in
    training: ModDrop (Neverova et al., 2016).
    """

    backbone: FusionEncoder
    processor: LinkProcessor

    def __init__(
        self,
        backbone: FusionEncoder,
        processor: LinkProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        stage1: Stage1,
        stages: Sequence[int] = (1, 2),
        objective: Literal["bce", "softmax"] = "bce",
        hide: float = 0.0,
        smoothing: float = 0.0,
        top_k: int = 10,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata, top_k)
        if not 0 <= hide <= 1:
            raise ConfigError(f"task.model.hide={hide} must lie between 0 and 1")
        if not 0 <= smoothing < 1:
            raise ConfigError(f"task.model.smoothing={smoothing} must lie in [0, 1)")
        if not stages or set(stages) - {1, 2}:
            raise ConfigError(f"task.model.stages={list(stages)}: choose [1], [2] or [1,2]")
        if objective not in ("bce", "softmax"):
            raise ConfigError(f"task.model.objective={objective}: choose bce or softmax")
        self.objective, self.hide, self.smoothing = objective, hide, smoothing
        self.stages, self.stage1 = tuple(stages), stage1
        table: Any = backbone.text.add_tokens(processor.new_tokens()).new_tokens["entities"]
        # Few entities answer a query. Starting from that share (Lin et al., 2017, section 4.1) keeps the network from
        # spending its first epochs, and the queries' differences, on lowering every score.
        self.head = MaskedLM(backbone.width, table, bias=-math.log(len(processor.entities)))
        self.build_metrics()

    @property
    def trains(self) -> bool:
        return 2 in self.stages

    def before_fit(self, dataset: Dataset, resumed: bool = False) -> dict[str, Any]:
        """Stage 1, with everything frozen but the entities' vectors."""
        return fit_entities(self, self.head, dataset, self.stage1) if 1 in self.stages and not resumed else {}

    def hidden(self, batch: LinkBatch) -> Float[Tensor, "B D"]:
        """The transformed state at each query's mask."""
        return self.head.transform(self.backbone(batch.text, batch.images, batch.mask).text[:, 0])

    def queries(self, batch: LinkBatch) -> Float[Tensor, "B E"]:
        """Vectors whose product with :meth:`entities` is the score; the last number is 1 and meets the bias."""
        return F.pad(self.hidden(batch), (0, 1), value=1.0)

    def entities(self) -> Float[Tensor, "N E"]:
        """A vector for each entity, its bias at the end."""
        return torch.cat([self.head.table.weight, self.head.bias[:, None]], 1)

    def score_candidates(self, queries: Float[Tensor, "B E"], entities: slice) -> Float[Tensor, "B n"]:
        # The product of queries and entities, without copying the table to put the bias beside it.
        return self.head.score(queries[:, :-1], entities)

    def build_index(self, approximate: bool) -> EntityIndex:
        return EntityIndex(self.entities(), "product", approximate, self.excluded)

    def losses(self, batch: LinkBatch) -> dict[str, Tensor]:
        """Every entity is scored as an answer, against all answers of the training split."""
        scores = self.scores(self._partly_hidden(batch) if self.hide else batch).float()
        answers = batch.targets[:, 0], batch.targets[:, 1]
        objective = {"bce": binary_kvsall, "softmax": softmax_kvsall}[self.objective]
        return {"entity": objective(scores, answers, self.smoothing)}

    def _partly_hidden(self, batch: LinkBatch) -> LinkBatch:
        """The batch with token and text of some entities masked, drawn among those that have an image."""
        slots = [group.slots for group in batch.images]
        imaged = (torch.cat(slots, 1) >= 0).any(1) if slots else torch.zeros_like(batch.mask, dtype=torch.bool)
        drawn = imaged & (torch.rand(imaged.shape, device=imaged.device) < self.hide)
        text = replace(batch.text, mask=batch.text.mask & ~(batch.anchor_positions & drawn[:, None]))
        return replace(batch, text=text)

    def explainer(self) -> LinkExplainer:
        """What it says of queries for an explanation."""
        return LinkExplainer(self)

    @property
    def uncalibrated(self) -> Calibration:
        """Of each entity on its own (bce) or among all (softmax)."""
        return Calibration("sigmoid" if self.objective == "bce" else "softmax")
