"""Stage 1, image-text incorporated entity modelling: entity vectors are learned from descriptions and images.

Only the entities' vectors and biases are trained, and no prompt of this stage contains an entity's token. So what the
network says at an entity's mask never changes: it is computed once, and the epochs cost a matrix product each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from rich.progress import track
from torch import Tensor

from mkgc.app.signals import is_first
from mkgc.data.dataset import Dataset
from mkgc.errors import ConfigError, DivergedError
from mkgc.heads.masked_lm import MaskedLM
from mkgc.terminal import say
from mkgc.training.smoke import HANDFUL
from tasks.link_prediction.batch import LinkBatch
from tasks.link_prediction.prompt_processor import LinkProcessor

LITTLE = 0.1
"""A share of recognised entities that is as good as none: those of a stage 1 that has learned are most."""


@runtime_checkable
class Reader(Protocol):
    """A model that reads prompts, by its state at their masks."""

    processor: LinkProcessor
    metadata: dict[str, Any]
    training: bool
    smoke: bool

    @property
    def device(self) -> torch.device: ...

    def train(self, mode: bool = True) -> Any: ...

    def hidden(self, batch: LinkBatch) -> Float[Tensor, "B D"]: ...


@dataclass(frozen=True)
class Stage1:
    """How to fit the entity vectors; the defaults are those of MKGformer's released code."""

    epochs: int = 15
    batch_size: int = 64
    lr: float = 5e-4

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"task.model.stage1.{name}={getattr(self, name)} must be positive")


@torch.no_grad()
def mask_vectors(task: Reader, dataset: Dataset, size: int) -> Float[Tensor, "N D"]:
    """The frozen network's state of each entity's text and images, in evaluation mode; of a handful in a smoke run."""
    processor, device = task.processor, task.device
    was_training = task.training
    task.train(False)
    count = min(len(processor.entities), HANDFUL) if task.smoke else len(processor.entities)
    starts = track(range(0, count, size), "Stage 1: reading entities", transient=True)
    vectors = []
    for start in starts:
        entities = range(start, min(start + size, count))
        batch = processor.collate([processor.definition(entity) for entity in entities], dataset.store)
        vectors.append(task.hidden(batch.to(device)))
    task.train(was_training)
    return torch.cat(vectors)


def fit_entities(task: Reader, head: MaskedLM, dataset: Dataset, settings: Stage1) -> dict[str, float]:
    """Trains the head's vectors and biases to tell each entity from all others by its mask vector.

    Returns:
        The last epoch's mean loss, and the share of entities that are recognised.

    Raises:
        DivergedError: The loss is not finite.
    """
    hidden = mask_vectors(task, dataset, settings.batch_size)
    table, bias = head.table.weight, head.bias
    optimiser = torch.optim.AdamW([table, bias], lr=settings.lr, fused=True)
    order = torch.Generator().manual_seed(int(task.metadata["seed"]))
    losses: list[float] = []
    for epoch in track(range(settings.epochs), "Stage 1: fitting entity vectors", transient=True):
        losses = []
        for rows in torch.randperm(len(hidden), generator=order).split(settings.batch_size):
            loss = F.cross_entropy(hidden[rows] @ table.T + bias, rows.to(hidden.device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                batch = f"epoch {epoch + 1}, batch {len(losses) - 1}"
                raise DivergedError(f"the loss of stage 1 is {losses[-1]} at {batch}; its rate is task.model.stage1.lr")
    with torch.no_grad():
        found = (hidden @ table.T + bias).argmax(1) == torch.arange(len(hidden), device=hidden.device)
    optimiser.zero_grad()
    if is_first() and float(found.float().mean()) < LITTLE:
        say(
            f"stage 1 tells only {int(found.sum()):,} of {len(found):,} entities from the others by their texts and "
            "images: stage 2 begins with next to nothing; give more task.model.stage1.epochs or a higher "
            "task.model.stage1.lr, or leave it out (task.model.stages=[2])"
        )
    return {"stage1/loss": sum(losses) / len(losses), "stage1/recognised": float(found.float().mean())}
