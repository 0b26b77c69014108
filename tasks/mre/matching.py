"""Matching the blanks: sentences about the same two things are alike, before any relation is learned.

Source: MTB (Baldini Soares et al., 2019), section 4. There, pairs of sentences come from Wikipedia with its links, and
masked words are a second loss; here they come from the training sentences of the task, whose relations are not looked
at, no words are masked, and [MASK] stands for [BLANK].
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from rich.progress import track
from torch import Generator, Tensor, nn

from mkgc.data.dataset import Dataset
from mkgc.errors import ConfigError, DataError, DivergedError
from mkgc.relations.processor import PairProcessor, RelationBatch, RelationFeatures

LONGEST = 1.0
"""The longest that a gradient may be."""


@dataclass(frozen=True)
class MatchingBlanks:
    """The settings of the stage before training: ``blank`` is the share of mentions that are replaced.

    Raises:
        ConfigError: A number is out of its range.
    """

    epochs: int = 0
    batch_size: int = 64
    lr: float = 3e-4
    blank: float = 0.7

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch_size < 4 or self.lr <= 0 or not 0 <= self.blank <= 1:
            raise ConfigError(
                f"task.model.matching: epochs={self.epochs} from 0 on, batch_size={self.batch_size} from 4 on, "
                f"lr={self.lr} above 0, blank={self.blank} between 0 and 1"
            )


@runtime_checkable
class Reader(Protocol):
    """A model that represents a sentence with two mentions by a vector."""

    processor: PairProcessor
    metadata: dict[str, Any]
    backbone: nn.Module
    smoke: bool
    training: bool

    @property
    def device(self) -> torch.device: ...

    def train(self, mode: bool = True) -> Any: ...

    def represent(self, batch: RelationBatch) -> Float[Tensor, "B P"]: ...


def match_blanks(task: Reader, dataset: Dataset, settings: MatchingBlanks) -> dict[str, float]:
    """Trains the backbone so that vectors of sentences about the same head and tail have the larger products.

    Returns:
        The last epoch's mean loss, and the share of its sentences to which one of the same pair was the most alike.

    Raises:
        ConfigError: Nothing marks the mentions.
        DataError: No two sentences of train are about the same pair.
        DivergedError: The loss is not finite.
    """
    processor, draw = task.processor, Generator().manual_seed(int(task.metadata["seed"]))
    couples = find_couples(processor, dataset.features["train"], task.smoke)
    learning = [parameter for parameter in task.backbone.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=settings.lr)
    losses: list[float] = []
    found: list[float] = []
    was_training = task.training
    task.train()
    for epoch in track(range(1 if task.smoke else settings.epochs), "Matching the blanks", transient=True):
        losses, found = [], []
        for couple in batches(couples, settings.batch_size, draw):
            items = [blanked(processor, item, _drawn(settings.blank, draw)) for item, _ in couple]
            keys = torch.tensor([key for _, key in couple], device=task.device)
            products = _products(task.represent(processor.collate(items, dataset.store).to(task.device)))
            loss = matching_loss(products, keys[:, None] == keys)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learning, LONGEST)
            optimiser.step()
            losses.append(loss.item())
            found.append(_recognised(products.detach(), keys))
            if not math.isfinite(losses[-1]):
                raise DivergedError(f"the loss of matching the blanks is {losses[-1]} in epoch {epoch + 1}")
    optimiser.zero_grad()
    task.train(was_training)
    return {"matching/loss": fmean(losses), "matching/recognised": fmean(found)}


def matching_loss(products: Float[Tensor, "B B"], same: Bool[Tensor, "B B"]) -> Float[Tensor, ""]:
    """The binary cross-entropy of whether two sentences are about the same pair, those that are and others alike.

    Source: section 4.2, whose sum over all pairs of sentences is estimated by as many of either kind.
    """
    other = ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    each = F.binary_cross_entropy_with_logits(products, same.float(), reduction="none")
    means = [(each * kind).sum() / kind.sum().clamp(min=1) for kind in (same & other, ~same)]
    return torch.stack(means).mean()


def _products(vectors: Float[Tensor, "B P"]) -> Float[Tensor, "B B"]:
    """The products of vectors, divided as attention's are, so that a sigmoid of them has a slope at first."""
    vectors = vectors.float()
    return vectors @ vectors.T / math.sqrt(vectors.shape[1])


def _recognised(products: Float[Tensor, "B B"], keys: Tensor) -> float:
    nearest = products.fill_diagonal_(-math.inf).argmax(1)
    return float((keys[nearest] == keys).float().mean())


def _drawn(share: float, draw: Generator) -> tuple[bool, bool]:
    head, tail = (torch.rand(2, generator=draw) < share).tolist()
    return head, tail


def find_couples(
    processor: PairProcessor, features: Sequence[RelationFeatures], smoke: bool = False
) -> list[list[RelationFeatures]]:
    """The sentences about each head and tail of which there are several; of a handful, each beside itself.

    Raises:
        ConfigError: Nothing marks the mentions.
        DataError: There are none.
    """
    if processor.markers == "none":
        raise ConfigError("task.model.matching.epochs: mentions have to be marked: task.data.markers=new, say")
    about: dict[Any, list[RelationFeatures]] = defaultdict(list)
    for item in features:
        spans = mentions(processor, item)
        words = tuple(tuple(item.ids[i] for i in span if item.ids[i] not in processor.marker_ids) for span in spans)
        about[words].append(item)
    several = [items * 2 if smoke else items for items in about.values() if smoke or len(items) > 1]
    if len(several) < 2:
        raise DataError("no sentences of train are about the same two mentions: set task.model.matching.epochs=0")
    return several


def batches(
    couples: Sequence[Sequence[RelationFeatures]], size: int, draw: Generator
) -> Iterator[list[tuple[RelationFeatures, int]]]:
    """Batches of couples of sentences about the same pair, each sentence once an epoch, with the number of its pair."""
    twos = []
    for key, items in enumerate(couples):
        order = torch.randperm(len(items), generator=draw).tolist()
        twos += [[(items[i], key) for i in order[start : start + 2]] for start in range(0, len(order) - 1, 2)]
    order = torch.randperm(len(twos), generator=draw).tolist()
    for start in range(0, len(order), size // 2):
        batch = [one for row in order[start : start + size // 2] for one in twos[row]]
        if len({key for _, key in batch}) > 1:
            yield batch


def mentions(processor: PairProcessor, item: RelationFeatures) -> tuple[range, range]:
    """The pieces of head and tail: from behind the opening marker to the closing one, or to the end."""

    def span(opening: int, closing: int) -> range:
        behind = range(opening + 1, len(item.ids) - 1)
        return range(opening + 1, next((i for i in behind if item.ids[i] == closing), behind.stop))

    return span(item.head, processor.marker_ids[1]), span(item.tail, processor.marker_ids[3])


def blanked(processor: PairProcessor, item: RelationFeatures, which: tuple[bool, bool]) -> RelationFeatures:
    """The sentence with a blank, one piece, in the place of its head, its tail, or both."""
    spans = [span for span, blank in zip(mentions(processor, item), which, strict=True) if blank]
    ids: list[int] = []
    words: list[int] = []
    places = []
    for i, piece in enumerate(item.ids):
        places.append(len(ids))
        span = next((span for span in spans if i in span), None)
        if span is None or piece in processor.marker_ids:
            ids.append(piece)
            words.append(item.words[i])
        elif i == span.start:
            ids.append(processor.tokenizer.mask)
            words.append(item.words[i])
    return replace(item, ids=tuple(ids), words=tuple(words), head=places[item.head], tail=places[item.tail])
