"""The lower part of an encoder runs once for each input: of a batch, and of all batches where it does not learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.batch import Images
from mkgc.nn.kept import KeptStates, Masked


def unique_images(images: Sequence[Images], size: int) -> tuple[list[Images], Int[Tensor, " B"]]:
    """The images of those of ``size`` examples that differ in them, and which of these each example shows.

    A batch holds each image once, so examples show the same where their slots are equal in all groups.
    """
    if not images:
        return [], torch.zeros(size, dtype=torch.long)
    parts = [images[0].slots.new_zeros(size, 1), *(group.slots for group in images)]  # unique wants a column
    slots, place = torch.cat(parts, 1).unique(dim=0, return_inverse=True)
    _, *columns = slots.split([part.shape[1] for part in parts], 1)
    return [replace(group, slots=part) for group, part in zip(images, columns, strict=True)], place


class FrozenPrefix:
    """The layers below the uppermost ``trainable_layers`` ones, with the embeddings; None has no such part.

    They learn nothing and drop nothing out, so up to ``cache_gib`` GiB of what they make of an input is kept.
    """

    def __init__(self, encoder: Any, trainable_layers: int | None, cache_gib: float) -> None:
        self.encoder = encoder
        self.frozen = trainable_layers is not None
        self.count = max(len(encoder.layers) - trainable_layers, 0) if trainable_layers is not None else 0
        self.parts: list[nn.Module] = encoder.freeze(self.count) if self.frozen else []
        self.kept = KeptStates(cache_gib)

    def rest(self) -> None:
        """Ends dropout in this part, whatever mode the rest is in."""
        for part in self.parts:
            part.eval()

    def states(
        self,
        keys: Callable[[], Sequence[bytes]],
        embed: Callable[[list[int]], Masked],
        size: int,
        cache_gib: bool,
        width: int = 0,
    ) -> Masked:
        """States behind this part for ``size`` inputs, of which ``embed`` embeds some and ``keys`` tells them apart."""

        def make(rows: list[int]) -> Masked:
            states, mask = embed(rows)
            return self._through(states, mask), mask

        return self.kept(keys(), make, width) if self.frozen and cache_gib else make(list(range(size)))

    def _through(self, states: Tensor, mask: Tensor) -> Tensor:
        for layer in self.encoder.layers[: self.count]:
            states = layer.feed_forward(layer.self_attention(states, mask).state)
        return states
