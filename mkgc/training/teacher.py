"""A frozen teacher: two towers that were trained before, whose vectors another model learns from and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor

from mkgc.app.devices import find_device
from mkgc.app.packages import own_tasks
from mkgc.data.kept_vectors import Vectors, kept_vectors
from mkgc.data.settings import DataSettings
from mkgc.errors import CheckpointError, ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.models.dual_encoder import DualEncoder
from mkgc.training.capabilities import EmbeddingTask
from mkgc.training.checkpoint import naming, read, restore
from mkgc.training.run import checkpoint_file

BATCH = 64
"""Texts or images that go through the teacher at once."""

SPACE = "backbone.project_text.linear.weight"
"""The tensor that has a row for each number of a vector."""

CHUNK = 16 * BATCH
"""Images that are in memory at once."""


class Teacher:
    """Two towers (:class:`mkgc.models.dual_encoder.DualEncoder`) that learn no more.

    ``contents`` are the description and the weights in its checkpoint. They travel in the checkpoints of what it has
    taught, which so can read images of which it has no vector yet. It is built when it is first asked for something.
    """

    dim: int
    """How many numbers a vector has."""

    def __init__(self, contents: Mapping[str, Any]) -> None:
        self._description, self._weights = contents["mkgc"], contents["state_dict"]
        self.dim = len(self._weights.get(SPACE, ()))

    @classmethod
    def of(cls, checkpoint: Path | str) -> Teacher:
        """The teacher in a checkpoint, or in the folder of a run.

        Raises:
            CheckpointError: There is none, or it is damaged.
            ConfigError: It is no two towers.
        """
        path = checkpoint_file(checkpoint)
        teacher = cls(read(path))
        with naming(path):
            task = teacher.task
        if not (isinstance(task.backbone, DualEncoder) and isinstance(task, EmbeddingTask)):
            raise ConfigError(
                f"'{path}' is no teacher: {type(task).__name__} has no two towers of texts and images; give a run with "
                "backbone=dual_encoder, or another DualEncoder's"
            )
        return teacher

    @cached_property
    def task(self) -> Any:
        """The trained task, in evaluation mode.

        Raises:
            CheckpointError: It cannot be built.
        """
        with own_tasks():
            task, _ = restore({"mkgc": self._description, "state_dict": self._weights})
        self._weights = None  # the task has them now
        return task.to(find_device("auto"))

    @property
    def settings(self) -> DataSettings:
        """How its images are read."""
        found: DataSettings = self.task.processor.settings
        return found

    @cached_property
    def digest(self) -> str:
        """Of its weights and processor: vectors of one digest may be compared."""
        return str(self.task.embedding_digest)

    def state(self) -> dict[str, Any]:
        """Its description and its weights."""
        weights = self._weights
        if weights is None:
            weights = {name: value.cpu() for name, value in self.task.state_dict().items()}
        return {"mkgc": dict(self._description), "state_dict": dict(weights)}

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n D"]:
        """Unit vectors of texts, of which it reads as much as it has learned to read."""
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        found = [self.task.embed_texts(part, BATCH) for part in self._shown(parts, "texts")]
        return torch.cat([torch.empty(0, self.dim), *found])

    def embed_images(self, pixels: UInt8[Tensor, "n 3 S S"], size: int = BATCH) -> Float[Tensor, "n D"]:
        """Unit vectors of images in its size."""
        found: Float[Tensor, "n D"] = self.task.embed_images(pixels, size)
        return found

    def text_vectors(self, texts: Sequence[str], folder: Path | None) -> Vectors:
        """The vectors of texts, kept in a folder."""
        inputs = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        return kept_vectors(
            folder, "texts", self._model, inputs, lambda rows: self.embed_texts([texts[row] for row in rows])
        )

    def image_vectors(self, store: LoadedImages, rows: Sequence[int], size: int, folder: Path | None) -> Vectors:
        """The vectors of the images in some rows of a store, kept in a folder."""
        inputs = [blake2b(store.take([row], size).numpy().data, digest_size=16).digest() for row in rows]

        def compute(chosen: Sequence[int]) -> Float[Tensor, "U D"]:
            parts = [chosen[start : start + CHUNK] for start in range(0, len(chosen), CHUNK)]
            read = (store.take([rows[i] for i in part], size) for part in self._shown(parts, "images"))
            return torch.cat([torch.empty(0, self.dim), *(self.embed_images(pixels) for pixels in read)])

        return kept_vectors(folder, "images", self._model, inputs, compute)

    @property
    def _model(self) -> str:
        return f"{self.digest} {self.task.device.type}"

    def _shown(self, parts: Sequence[Any], kind: str) -> Any:
        hidden = len(parts) < 4 or not Console().is_terminal
        return track(parts, f"Teacher: reading {kind}", transient=True, disable=hidden)


def teacher_of(state: Mapping[str, Any]) -> Teacher:
    """The teacher in the state of a processor.

    Raises:
        CheckpointError: There is none.
    """
    contents = state.get("teacher")
    if not isinstance(contents, Mapping) or not {"mkgc", "state_dict"} <= contents.keys():
        raise CheckpointError("the checkpoint carries no teacher that can be used")
    return Teacher(contents)
