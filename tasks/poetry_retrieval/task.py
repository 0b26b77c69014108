"""Poems find pictures and pictures find poems: an encoder of poems against a frozen teacher's vectors of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mkgc.app.ranges import Count, Positive
from mkgc.data.dataset import Dataset
from mkgc.errors import ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.losses.listwise import listwise_loss
from mkgc.metrics.graded_retrieval import GradedRetrieval
from mkgc.models.pkg_bert import PkgBert
from mkgc.nn.full_products import full_products
from mkgc.training.digest import weights_digest
from mkgc.training.optim import Optim
from mkgc.training.recorded import gathered, recorded_predictions, write_lines
from mkgc.training.task import Task
from tasks.poetry_pretraining.example import PoemExample
from tasks.poetry_pretraining.vectors import embed_poems, match_words
from tasks.poetry_retrieval.batch import Asked, JudgedBatch
from tasks.poetry_retrieval.data import GROUP, JudgedPoemProcessor
from tasks.poetry_retrieval.recorded import Recorded, Tested


class PoetryRetrieval(Task):
    """Ranks pictures for poems and poems for pictures, by the cosines of an encoder's and a teacher's vectors.

    With ``learn``, the encoder learns to rank the pictures of train's judgements at a temperature of 1 / ``scale``;
    without, what ``weights`` have learned is scored as it is, as PKG-Bert is. With ``vectors="teacher"`` poems have the
    teacher's vectors, which is the baseline, and there is nothing to be learned.

    Raises:
        ConfigError: What has nothing to learn is to learn.
    """

    monitor = "dev/NDCG@5"
    backbone: PkgBert
    processor: JudgedPoemProcessor

    def __init__(
        self,
        backbone: PkgBert,
        processor: JudgedPoemProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        learn: bool = False,
        vectors: Literal["encoder", "teacher"] = "encoder",
        scale: Positive = 20.0,
        top_k: Count | None = None,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        if learn and vectors == "teacher":
            raise ConfigError("task.model.learn=true: the teacher's vectors (task.model.vectors=teacher) are frozen")
        self.learn, self.vectors, self.scale, self.top_k = learn, vectors, scale, top_k
        poems = processor.poems
        assert poems.dim is not None  # as the processor has checked
        backbone.enter_space(poems.dim, poems.visual is not None, True)
        self.tested: Tested | None = None
        self.build_metrics()

    @property
    def trains(self) -> bool:
        return self.learn

    def make_metric(self) -> GradedRetrieval:
        return GradedRetrieval()

    def scores(self, batch: JudgedBatch) -> Float[Tensor, "B F"]:
        """The unit vectors of poems."""
        if self.vectors == "teacher":
            return F.normalize(batch.teacher, dim=-1)
        return F.normalize(self.backbone.vectors(self.backbone(batch.text)).float(), dim=-1)

    def losses(self, batch: JudgedBatch) -> dict[str, Tensor]:
        """The listwise loss of the poems that have a picture judged above 0."""
        scores = self.scale * full_products(self.scores(batch), batch.candidates)
        return {"listwise": listwise_loss(scores, _gains(batch))}

    def weight(self, batch: JudgedBatch) -> Tensor:
        """The number of such poems."""
        return (_gains(batch).sum(1) > 0).sum().float()

    def update_metric(self, batch: JudgedBatch, metric: GradedRetrieval) -> Recorded:
        vectors, judged = self.scores(batch), _numbered(batch)
        metric.update(vectors, batch.candidates, batch.numbers, judged, batch.grades)
        return vectors, batch.numbers, batch.candidates, judged, batch.grades

    def record(self, batch: JudgedBatch, outcome: Recorded) -> Recorded:
        return outcome

    def after_test(self, dataset: Dataset, folder: Path) -> None:
        """Keeps what each poem found, and behind these what each picture did, of which no process has all poems."""
        everywhere = gathered([tuple(part.cpu() for part in one) for one in self.recorded], self.trainer.world_size)
        poems = zip(dataset.features["test"], dataset.examples["test"], strict=True)
        titles = {item.number: example.title or example.lines[0] for item, example in poems}
        self.tested = Tested.of(everywhere, titles, self.processor.names, self.scale)
        write_lines(self, recorded_predictions(self, dataset) + self.tested.of_pictures(), folder)

    def describe(self, recorded: Recorded, examples: Sequence[PoemExample]) -> list[dict[str, Any]]:
        assert self.tested is not None
        return self.tested.of_poems(recorded[1].cpu())

    def predict(self, batch: JudgedBatch) -> list[dict[str, Any]]:
        """The unit vector of each poem."""
        return [{"vector": vector} for vector in self.scores(batch).tolist()]

    def predict_items(self, features: Sequence[Asked], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The pictures of each record from the best on, with the words that they match by; without any, a vector."""
        vectors = self.embed_texts([item.text for item in features], size)
        return [self._answer(item, vector, store, size) for item, vector in zip(features, vectors, strict=True)]

    def _answer(self, item: Asked, vector: Float[Tensor, " F"], store: LoadedImages, size: int) -> dict[str, Any]:
        words = {"graph": [*item.words]}
        if not item.names:
            return {"vector": vector.tolist()} | words
        side = self.processor.settings.images[GROUP]
        rows = [store.index(path, side) for path in item.images[GROUP]]
        usable = [(name, row) for name, row in zip(item.names, rows, strict=True) if row is not None]
        if not usable:
            return {"images": []} | words
        images = self.embed_images(store.take([row for _, row in usable], side), size)
        scores, matched = (images @ vector).tolist(), self.matched_words(item.text, images)
        ranked = sorted(range(len(usable)), key=lambda i: -scores[i])[: self.top_k]
        told = [[{"word": word, "score": score} for word, score in matched[i]] for i in ranked]
        named = [{"image": usable[i][0], "score": scores[i]} for i in ranked]
        return {"images": [one | {"words": each} for one, each in zip(named, told, strict=True)]} | words

    @property
    def embedding_digest(self) -> str:
        return weights_digest(self.backbone, {**self.processor.poems.plain_state(), "vectors": self.vectors})

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], size: int) -> Float[Tensor, "n F"]:
        """Unit vectors of poems, or of any texts; one that is too long is cut."""
        poems = self.processor.poems
        assert poems.teacher is not None
        if self.vectors == "teacher":
            return poems.teacher.embed_texts(texts).cpu()
        return embed_poems(self.backbone, poems, texts, size, self.device)

    def embed_images(self, pixels: UInt8[Tensor, "n 3 S S"], size: int) -> Float[Tensor, "n F"]:
        """The teacher's unit vectors of images."""
        assert self.processor.poems.teacher is not None
        return self.processor.poems.teacher.embed_images(pixels, size).cpu()

    def matched_words(self, text: str, images: Float[Tensor, "n F"]) -> list[list[tuple[str, float]]]:
        """For each image, the words of a text whose own images are most like it."""
        return match_words(self.processor.poems, text, images)


def _gains(batch: JudgedBatch) -> Float[Tensor, "B N"]:
    """The judgements of all candidates; 0 of those that nobody has judged."""
    gains = batch.grades.new_zeros(len(batch.numbers), len(batch.candidates))
    return gains.index_put((batch.judged[:, 0], batch.judged[:, 1]), batch.grades)


def _numbered(batch: JudgedBatch) -> Int[Tensor, "J 2"]:
    """The judged pairs by the numbers of poems."""
    return torch.stack([batch.numbers[batch.judged[:, 0]], batch.judged[:, 1]], dim=1)
