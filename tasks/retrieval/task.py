"""Image-text retrieval: captions and images are vectors of one space, close where they belong together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mkgc.app.ranges import Count
from mkgc.batch import Images
from mkgc.data.dataset import Dataset
from mkgc.images.loaded import LoadedImages
from mkgc.losses.contrastive import contrastive_loss
from mkgc.metrics.retrieval import RetrievalRecall, gallery
from mkgc.models.dual_encoder import DualEncoder
from mkgc.nn.directions import directions_together
from mkgc.training.digest import weights_digest
from mkgc.training.optim import Optim
from mkgc.training.recorded import gathered
from mkgc.training.samplers import LastBatch
from mkgc.training.task import Task
from tasks.retrieval.answers import answer
from tasks.retrieval.data import RetrievalBatch, RetrievalProcessor
from tasks.retrieval.example import GROUP, CaptionExample
from tasks.retrieval.question import Question
from tasks.retrieval.recorded import Tested
from tasks.retrieval.templates import find_templates

Scores = tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]
"""The vectors of a batch's captions and of its images."""

Recorded = tuple[Float[Tensor, "B D"], Float[Tensor, "B D"], Int[Tensor, " B"], Int[Tensor, " B"]]
"""The same, and the numbers of captions and images."""


class Retrieval(Task):
    """Learns to tell each caption's image from all others of the batch, and each image's caption.

    With ``chunk``, so many pairs at a time go through the encoders, whose activations are computed again when their
    gradients are: the batch can be larger than the memory (Gao et al., 2021). ``last_batch`` is what becomes of the
    pairs that an epoch has left over, as all batches have one size: they are left out, or filled up ("pad").

    Source: CLIP (Radford et al., 2021); Chinese-CLIP (Yang et al., 2022), whose two stages are ``task.stages``.
    """

    monitor = "dev/mean_recall"
    backbone: DualEncoder
    processor: RetrievalProcessor

    def __init__(
        self,
        backbone: DualEncoder,
        processor: RetrievalProcessor,
        optim: Optim,
        metadata: dict[str, Any],
        chunk: Count | None = None,
        last_batch: LastBatch = "drop",
        top_k: Count | None = None,
    ) -> None:
        super().__init__(backbone, processor, optim, metadata)
        text: Any = backbone.text
        text.add_tokens(processor.new_tokens())
        self.chunk, self.last_batch, self.top_k = chunk, last_batch, top_k
        self.tested: Tested | None = None
        self.build_metrics()

    def make_metric(self) -> RetrievalRecall:
        return RetrievalRecall()

    def scores(self, batch: RetrievalBatch) -> Scores:
        """The vectors of captions and images, whose products are how well they go together."""
        sentences = self.backbone.encode_text(batch.text, self.chunk)
        texts = directions_together(sentences.unflatten(0, (len(batch.text_ids), -1)))
        return texts, self.backbone.encode_image(batch.images, self.chunk)

    def use_templates(self, asked: str | Sequence[str]) -> None:
        """Takes captions for names of classes, from now on, and puts them into sentences.

        Raises:
            DataError: There are no such templates.
        """
        self.processor.templates = find_templates(asked, (), f"templates={asked}")

    def losses(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        """The symmetric contrastive loss over the pairs of all processes."""
        loss = contrastive_loss(*self.scores(batch), self.backbone.scale, batch.text_ids, batch.image_ids, gather=True)
        return {"contrastive": loss}

    def weight(self, batch: RetrievalBatch) -> Tensor:
        """The number of pairs."""
        return torch.ones_like(batch.text_ids).sum().float()

    def update_metric(self, batch: RetrievalBatch, metric: RetrievalRecall) -> Scores:
        texts, images = self.scores(batch)
        metric.update(texts, images, batch.text_ids, batch.image_ids)
        return texts, images

    def record(self, batch: RetrievalBatch, outcome: Scores) -> Recorded:
        return (*outcome, batch.text_ids, batch.image_ids)

    def after_test(self, dataset: Dataset, folder: Path) -> None:
        """Ranks the whole split, of whose batches each process has some, before lines are made of it."""
        everywhere = gathered([tuple(part.cpu() for part in one) for one in self.recorded], self.trainer.world_size)
        parts = (torch.cat(part) for part in zip(*everywhere, strict=True))
        items = zip(dataset.features["test"], dataset.examples["test"], strict=True)
        names = {item.image_id: example.image for item, example in items}
        self.tested = Tested.of(gallery(*parts), names, float(self.backbone.scale.detach()))
        super().after_test(dataset, folder)

    def describe(self, recorded: Recorded, examples: Sequence[CaptionExample]) -> list[dict[str, Any]]:
        assert self.tested is not None
        return self.tested.describe(examples, [*zip(recorded[2].tolist(), recorded[3].tolist(), strict=True)])

    def predict(self, batch: RetrievalBatch) -> list[dict[str, Any]]:
        """How well each caption and its image go together."""
        texts, images = self.scores(batch)
        return [{"score": score} for score in (texts * images).sum(-1).tolist()]

    @torch.inference_mode()
    def predict_items(self, features: Sequence[Question], store: LoadedImages, size: int) -> list[dict[str, Any]]:
        """The answer to each question; every text and image of all of them is encoded once."""
        prompts = dict.fromkeys(ids for item in features for each in item.prompts for ids in each)
        side = self.processor.settings.images[GROUP]
        rows = [[store.index(path, side) for path in item.images[GROUP]] for item in features]
        shown = dict.fromkeys(row for each in rows for row in each if row is not None)
        texts = _by_key(prompts, self._encode_texts([*prompts], size))
        images = _by_key(shown, self._encode_images(store.take(part, side) for part in _parts([*shown], size)))
        scale = float(self.backbone.scale.detach())
        return [
            answer(item, texts, [None if row is None else images[row] for row in each], scale, self.top_k)
            for item, each in zip(features, rows, strict=True)
        ]

    @property
    def embedding_digest(self) -> str:
        return weights_digest(self.backbone, self.processor.state())

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], size: int) -> Float[Tensor, "n D"]:
        """Unit vectors of texts; one that is too long is cut."""
        return self._encode_texts([self.processor.encode_text(text)[0] for text in texts], size)

    @torch.inference_mode()
    def embed_images(self, pixels: UInt8[Tensor, "n 3 S S"], size: int) -> Float[Tensor, "n D"]:
        """Unit vectors of images, which are bytes on the CPU."""
        return self._encode_images(pixels.split(size))

    def _encode_texts(self, rows: Sequence[Sequence[int]], size: int) -> Float[Tensor, "n D"]:
        batches = (self.processor.texts_of(part).to(self.device) for part in _parts(rows, size))
        return self._joined(self.backbone.encode_text(batch) for batch in batches)

    def _encode_images(self, parts: Iterable[UInt8[Tensor, "_ 3 S S"]]) -> Float[Tensor, "n D"]:
        batches = (Images(GROUP, part, torch.arange(len(part))[:, None]).to(self.device) for part in parts)
        return self._joined(self.backbone.encode_image([batch]) for batch in batches)

    def _joined(self, parts: Iterator[Float[Tensor, "_ D"]]) -> Float[Tensor, "n D"]:
        """Vectors of several batches, in evaluation mode, on the CPU."""
        training = self.training
        self.eval()
        found = [part.float().cpu() for part in parts]
        self.train(training)
        return torch.cat(found) if found else torch.empty(0, self.backbone.dim)


Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)


def _parts(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _by_key(keys: Iterable[Key], vectors: Float[Tensor, "n D"]) -> Mapping[Key, Float[Tensor, " D"]]:
    return dict(zip(keys, vectors, strict=True))
