"""Writes the towers of a trained model as ONNX files, and proves that they compute what it does."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from mkgc.app.locks import locked
from mkgc.batch import Images, Text
from mkgc.encoders.text import TextEncoder, positions
from mkgc.errors import CheckpointError, ConfigError
from mkgc.exported.manifest import NAME, TEXT, VISION, Manifest, file_digest
from mkgc.exported.runner import ExportedTowers
from mkgc.models.dual_encoder import DualEncoder
from mkgc.training.capabilities import EmbeddingTask

NEAR = 1e-4
"""How much a number of a direction may differ from the trained model's."""

TRIED = (1, 7)
"""Batches that are compared."""


class TextTower(nn.Module):
    """A tower as a function of tensors; the model is a DualEncoder."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B D"]:
        return self.model.encode_text(Text(ids, mask, torch.zeros_like(ids)))


class VisionTower(nn.Module):
    """The other: images are bytes."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: UInt8[Tensor, "B 3 S S"]) -> Float[Tensor, "B D"]:
        slots = torch.arange(pixels.shape[0], device=pixels.device)[:, None]
        return self.model.encode_image([Images("image", pixels, slots)])


def export_towers(task: Any, folder: Path) -> float:
    """Writes both towers of a trained task, with the manifest, into a folder; in single precision.

    Returns:
        The largest difference between a number of their directions and one of the task's.

    Raises:
        ConfigError: The task has no two towers, or what exports is not installed.
        CheckpointError: What was written computes something else.
    """
    _check(task)
    digest = task.embedding_digest  # of the weights in the precision that they have
    task = task.float().cpu().eval()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder), TemporaryDirectory(dir=folder, prefix=".") as beside:
        made = Path(beside)
        _write(task, digest, made)
        difference = _difference(task, ExportedTowers(made))
        if not difference <= NEAR:
            raise CheckpointError(f"the exported towers' directions differ by {difference:.2g} from the checkpoint's")
        _move(made, folder)
    return difference


def _check(task: Any) -> None:
    backbone = task.backbone
    if not isinstance(backbone, DualEncoder) or not isinstance(backbone.text, TextEncoder):
        raise ConfigError(
            f"there are no two towers to export in this checkpoint: its backbone is a {type(backbone).__name__}"
        )
    if len(task.processor.settings.images) != 1 or not isinstance(task, EmbeddingTask):
        raise ConfigError(f"{type(task).__name__} gives texts and images no vectors of one space to be exported")
    for package in ("onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise ConfigError(f"an export needs {package}, which is not there: pip install mkgc[onnx]") from error


def _write(task: Any, digest: str, folder: Path) -> None:
    settings, tokens = task.processor.settings, task.processor.tokenizer
    [size] = settings.images.values()
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", min=2, max=positions(task.backbone.text.config))
    ids = torch.full((2, min(settings.max_length, 8)), tokens.start)
    _export(TextTower(task.backbone), {"ids": ids, "mask": ids >= 0}, folder / TEXT, {0: batch, 1: length})
    pixels = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    _export(VisionTower(task.backbone), {"pixels": pixels}, folder / VISION, {0: batch})
    Manifest(
        digest=digest,
        dim=task.backbone.dim,
        image_size=size,
        fit=settings.fit,
        max_length=settings.max_length,
        tokenizer=tokens.state(),
        files={path.name: str(file_digest(path)) for path in sorted(folder.iterdir())},
    ).write(folder)


def _export(tower: nn.Module, inputs: dict[str, Tensor], path: Path, dynamic: dict[int, Any]) -> None:
    """Writes a tower, its weights in a file of their own: ONNX's own format ends at 2 GB."""
    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # of what the exporter itself will drop
        torch.onnx.export(
            tower.eval(),
            (),
            path,
            kwargs=inputs,
            input_names=[*inputs],
            output_names=["vectors"],
            dynamic_shapes=dict.fromkeys(inputs, dynamic),
            dynamo=True,
            external_data=True,
            verbose=False,
        )


def _difference(task: Any, exported: ExportedTowers) -> float:
    """How far directions of texts and images that are drawn lie from the task's."""
    draw = np.random.default_rng(0)
    names = [name for name in task.processor.tokenizer.names if name.isalnum()] or ["a"]
    found = [0.0]
    for count in TRIED:
        texts = [" ".join(draw.choice(names, size=2 * row + 1)) for row in range(count)]
        pixels = draw.integers(0, 256, (count, 3, exported.image_size, exported.image_size), np.uint8)
        found.append(_most(task.embed_texts(texts, count), exported.embed_texts(texts)))
        found.append(_most(task.embed_images(torch.from_numpy(pixels), count), exported.embed_images(pixels)))
    return max(found)


def _most(ours: Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.numpy() - theirs).max())


def _move(made: Path, folder: Path) -> None:
    """Takes the place of an earlier export, whose manifest goes first and comes last."""
    names: Sequence[str] = [path.name for path in made.iterdir() if path.name != NAME]
    (folder / NAME).unlink(missing_ok=True)
    for name in (*names, NAME):
        os.replace(made / name, folder / name)
