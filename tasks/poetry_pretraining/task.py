"""Pretraining on poems: hidden pieces are filled in, and a poem's vector comes near its teacher's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from mkgc.app.ranges import NonNegative
from mkgc.errors import ConfigError
from mkgc.heads.filled import fill_words
from mkgc.heads.masked_lm import MaskedLM
from mkgc.images.loaded import LoadedImages
from mkgc.losses.cosine import cosine_distance
from mkgc.losses.weights import ObjectiveWeights
from mkgc.models.pkg_bert import PkgBert
from mkgc.training.digest import weights_digest
from mkgc.training.optim import Optim
from mkgc.training.task import Task
from tasks.poetry_pretraining.batch import PoemBatch, PoemFeatures
from tasks.poetry_pretraining.data import PoemProcessor
from tasks.poetry_pretraining.metric import PoemFigures
from tasks.poetry_pretraining.vectors import embed_poems, match_words

Scores = dict[str, Tensor]
"""Of hidden pieces (``words``), and the vectors of poems (``space``)."""


@dataclass(frozen=True)
class LossWeights(ObjectiveWeights):
    """The weight of each loss; one of weight 0 is left out.

    Raises:
        ConfigError: All are.
    """

    words: NonNegative = 1.0
    space: NonNegative = 1.0


class PoetryPretraining(Task):
    """Masked language modelling of sentence trees, and the distance of poems' vectors from a frozen teacher's.

    Without a teacher, there is masked language modelling alone.

    Source: PKG-Bert, whose released code (liyuqing1/PKG-Bert) adds both losses up; its masked pieces were lost there,
    as a text and its labels were one array.

    Raises:
        ConfigError: There is no teacher, and words are not learned either.
    """

    monitor = "dev/loss"
    mode = "min"
    rows = Task.rows | {re.compile(r"^masked_lm\.(table\.weight|bias)$"): ("word piece", 1)}
    backbone: PkgBert
    processor: PoemProcessor

    def __init__(
        self,
        backbone: PkgBert,
        processor: PoemProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        loss_weights: LossWeights,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        weights = loss_weights.used()
        if processor.teacher is None:
            weights.pop("space", None)
        if not weights:
            raise ConfigError("task.model.loss_weights.words=0: without a teacher (task.data.teacher), nothing is left")
        self.loss_weights = weights  # type: ignore[misc]
        if processor.dim is not None:
            backbone.enter_space(processor.dim, processor.visual is not None, "space" in weights)
        self.masked_lm = MaskedLM(backbone.width, backbone.text.words) if "words" in weights else None
        self.build_metrics()

    def make_metric(self) -> PoemFigures:
        return PoemFigures(self.loss_weights)

    def scores(self, batch: PoemBatch) -> Scores:
        """The scores of all pieces at hidden places, and the vectors of poems."""
        states, out = self.backbone(batch.text), {}
        if self.masked_lm is not None:
            out["words"] = self.masked_lm(states.flatten(0, 1)[batch.hidden.places])
        if self.backbone.vector is not None:
            out["space"] = self.backbone.vectors(states)
        return out

    def losses(self, batch: PoemBatch) -> dict[str, Tensor]:
        """A mean over hidden pieces, and one over poems."""
        each = self._each(self.scores(batch), batch)
        return {name: losses.sum() / max(len(losses), 1) for name, losses in each.items()}

    def _each(self, scores: Scores, batch: PoemBatch) -> Scores:
        """The loss of each hidden piece, and of each poem."""
        out = {}
        if "words" in scores:
            out["words"] = F.cross_entropy(scores["words"].float(), batch.hidden.targets, reduction="none")
        if "space" in scores:
            out["space"] = cosine_distance(scores["space"], batch.teacher)
        return out

    def weight(self, batch: PoemBatch) -> Tensor:
        """The number of hidden pieces, or of poems where no words are learned."""
        counted = batch.hidden.places if self.masked_lm is not None else batch.text.ids
        return torch.full((), len(counted), dtype=torch.float32, device=batch.text.ids.device)

    def update_metric(self, batch: PoemBatch, metric: PoemFigures) -> None:
        scores = self.scores(batch)
        words, targets = scores.get("words"), batch.hidden.targets
        right = torch.zeros_like(targets, dtype=torch.bool) if words is None else words.argmax(-1) == targets
        metric.update(self._each(scores, batch), right)

    def predict(self, batch: PoemBatch) -> list[dict[str, Any]]:
        """The characters that are missing, and the unit vector of each poem, as far as the model has learned them."""
        scores, answers = self.scores(batch), [dict[str, Any]() for _ in batch.text.ids]
        if "words" in scores:
            probabilities, width = scores["words"].float().softmax(-1), batch.text.ids.shape[1]
            fill_words(answers, probabilities, batch.hidden, width, self.processor.tokenizer.names)
        if "space" in scores:
            vectors = F.normalize(scores["space"].float(), dim=-1).tolist()
            answers = [answer | {"vector": vector} for answer, vector in zip(answers, vectors, strict=True)]
        return answers

    def predict_items(self, features: Sequence[PoemFeatures], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The same with the places of missing characters, and the words of the graph that were read."""
        answers = super().predict_items(features, store, size)
        for answer, item in zip(answers, features, strict=True):
            if "words" in answer:
                told = zip(item.asked, answer["words"], strict=True)
                answer["words"] = [{**asked, **one} for asked, one in told]
            answer["graph"] = [*item.words]
        return answers

    @property
    def embedding_digest(self) -> str:
        return weights_digest(self.backbone, self.processor.plain_state())

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], size: int) -> Float[Tensor, "n D"]:
        """Unit vectors of poems, or of any texts; one that is too long is cut.

        Raises:
            ConfigError: The model has learned no vectors of texts.
        """
        self._require_teacher()
        return embed_poems(self.backbone, self.processor, texts, size, self.device)

    def embed_images(self, pixels: UInt8[Tensor, "n 3 S S"], size: int) -> Float[Tensor, "n D"]:
        """The teacher's unit vectors of images.

        Raises:
            ConfigError: The model has no teacher.
        """
        return self._require_teacher().embed_images(pixels, size)

    def matched_words(self, text: str, images: Float[Tensor, "n D"]) -> list[list[tuple[str, float]]]:
        """For each image, the words of a text whose own images are most like it."""
        return match_words(self.processor, text, images)

    def _require_teacher(self) -> Any:
        if self.processor.teacher is None or self.backbone.vector is None:
            raise ConfigError(
                "this model was trained without a teacher, so that its poems and no images are vectors of one space: "
                "train one with task.data.teacher=RUN"
            )
        return self.processor.teacher
