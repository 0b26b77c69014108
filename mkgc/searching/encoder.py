"""What an index asks of a model: vectors of texts and of images, as arrays, whatever computes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from mkgc.errors import ConfigError, DataError
from mkgc.exported.manifest import is_export
from mkgc.exported.runner import ExportedTowers
from mkgc.images.decode import Fit
from mkgc.searching.vectors import Rows

if TYPE_CHECKING:
    from mkgc.training.task import Task


@runtime_checkable
class SearchEncoder(Protocol):
    """Makes unit vectors of texts and images, which are the nearer the more these have in common."""

    @property
    def digest(self) -> str:
        """Of weights and processor: vectors of one digest may be compared."""

    @property
    def image_size(self) -> int:
        """Pixels of each side of an image."""

    @property
    def fit(self) -> Fit:
        """What makes an image square."""

    def embed_texts(self, texts: Sequence[str]) -> Rows:
        """A row for each text; one that is too long is cut."""

    def embed_images(self, pixels: UInt8[np.ndarray, "n 3 S S"]) -> Rows:
        """A row for each image, which is as :func:`mkgc.images.decode.read_image` makes it in this size and fit."""


class Match(NamedTuple):
    """A word of a text that is like an image, with their cosine similarity."""

    word: str
    score: float


@runtime_checkable
class WordMatcher(Protocol):
    """An encoder that says which words of a text are like an image."""

    def matched_words(self, text: str, images: Rows) -> list[list[Match]]:
        """Those of each image, the most alike first."""


class TaskEncoder:
    """A trained task, ``batch_size`` of whose inputs go through the network at once."""

    def __init__(self, task: Task, batch_size: int) -> None:
        from mkgc.training.capabilities import EmbeddingTask

        if not isinstance(task, EmbeddingTask):
            raise ConfigError(
                f"nothing can be searched by this checkpoint: {type(task).__name__} gives texts and images no vectors "
                "of one space"
            )
        settings = task.processor.settings
        if len(settings.images) != 1:
            raise ConfigError(f"an index needs a model of one group of images, and this one has {[*settings.images]}")
        self._task, self._size = task, batch_size
        self.digest, self.fit = task.embedding_digest, settings.fit
        [self.image_size] = settings.images.values()

    def embed_texts(self, texts: Sequence[str]) -> Rows:
        import torch

        with torch.inference_mode():
            return _checked(self._task.embed_texts(texts, self._size).float().cpu().numpy())

    def embed_images(self, pixels: UInt8[np.ndarray, "n 3 S S"]) -> Rows:
        import torch

        with torch.inference_mode():
            return _checked(self._task.embed_images(torch.from_numpy(pixels), self._size).float().cpu().numpy())

    def matched_words(self, text: str, images: Rows) -> list[list[Match]]:
        """As :class:`WordMatcher` says; none of a model whose words have no vectors of their own."""
        import torch

        from mkgc.training.capabilities import WordMatchingTask

        if not isinstance(self._task, WordMatchingTask):
            return [[] for _ in images]
        with torch.inference_mode():
            found = self._task.matched_words(text, torch.from_numpy(np.ascontiguousarray(images)))
        return [[Match(*one) for one in each] for each in found]


def open_encoder(
    checkpoint: Path | str, device: str = "cpu", trusted: Iterable[str] = (), batch_size: int = 32
) -> SearchEncoder:
    """The encoder of a checkpoint, of the folder of a run, or of one that `mkgc.export` wrote, which needs no torch.

    Raises:
        CheckpointError: There is none, or it is damaged.
        ConfigError: Its task has no vectors to search by, or there is no such device.
    """
    if is_export(checkpoint):
        if device not in ("cpu", "auto"):
            raise ConfigError(f"device={device}: exported towers run on the CPU; leave it out, or give the checkpoint")
        return ExportedTowers(checkpoint, batch_size)
    from mkgc.inference import load

    return TaskEncoder(load(checkpoint, device, trusted=trusted).task, batch_size)


def _checked(rows: Rows) -> Rows:
    if not np.isfinite(rows).all():
        raise DataError("a vector is NaN or infinite: the checkpoint's model has diverged")
    return np.ascontiguousarray(rows)
