"""An encoder up to one direction for each input: one tower of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mkgc.batch import Images, Input, Text, shared_of
from mkgc.encoders.base import Encoder, Stream
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.vision import at_least_one
from mkgc.heads.projection import Projection
from mkgc.nn.masks import present
from mkgc.nn.recompute import recomputed

Read = Text | Sequence[Images]
"""The input of a tower; of images, one group with one slot."""

Pooling = Literal["encoder", "mean"]
"""How states become one: as the encoder has it (its class token, mostly), or the mean of those that are there."""


class LockedEncoder(FrozenPrefix):
    """An encoder none of whose layers learns: what is kept of an input is its pooled state alone."""

    def __init__(self, encoder: Encoder, pooling: Pooling, cache_gib: float) -> None:
        super().__init__(encoder, 0, cache_gib)
        self.pooling = pooling
        encoder.frozen = (*encoder.frozen, *encoder.pooling_modules())
        for module in encoder.pooling_modules():
            module.requires_grad_(False)

    def compute(self, x: Input) -> Stream:
        """The pooled state of every row of the input, as a sequence of one."""
        stream = super().compute(x)
        state = pooled(self.encoder, stream, self.pooling)
        return Stream(state[:, None], present(stream.mask).any(1, keepdim=True))

    def fingerprint(self) -> list[Any]:
        return [*super().fingerprint(), "pooled", self.pooling]


class Tower:
    """A frozen part, layers that learn, pooling and projection; their modules belong to the model."""

    def __init__(
        self,
        encoder: Encoder,
        project: Projection,
        trainable_layers: int | None,
        cache_gib: float,
        pooling: Pooling = "encoder",
    ) -> None:
        self.locked = trainable_layers == 0
        self.lower = (
            LockedEncoder(encoder, pooling, cache_gib)
            if self.locked
            else FrozenPrefix(encoder, trainable_layers, cache_gib)
        )
        self.project, self.pooling = project, pooling

    def directions(self, x: Read, chunk: int | None = None) -> Float[Tensor, "B D"]:
        """The direction of each example, each input that differs computed once.

        With ``chunk``, so many inputs go through the encoder at a time, and again when their gradient is computed: then
        one chunk's activations are in memory, however large the batch is. Source: Gao et al. (2021), whose cached
        gradients of representations are what automatic differentiation keeps here.
        """
        shared = shared_of(x)
        if shared is None:
            return self._in_chunks(self._encode, x, chunk)
        found = [self._in_chunks(self._encode, _rows(x, shared.rows), chunk)] if len(shared.rows) else []
        if shared.states is not None and shared.mask is not None:
            found.insert(0, self._in_chunks(self._from_states, Stream(shared.states, shared.mask), chunk))
        return torch.cat(found)[shared.place]

    def _encode(self, x: Read) -> Float[Tensor, "n D"]:
        return self._from_states(self.lower.compute(x))

    def _from_states(self, stream: Stream) -> Float[Tensor, "n D"]:
        """The directions of what the frozen part has made."""
        if self.locked:
            return self.project(stream.states[:, 0])
        encoder = self.lower.encoder
        return self.project(pooled(encoder, encoder.run(stream, self.lower.count), self.pooling))

    def _in_chunks(self, encode: Callable[[Any], Tensor], x: Stream | Read, chunk: int | None) -> Float[Tensor, "n D"]:
        if chunk is None or (size := _size(x)) <= chunk:
            return encode(x)
        parts = (_part(x, start, min(start + chunk, size)) for start in range(0, size, chunk))
        if not torch.is_grad_enabled():
            return torch.cat([encode(part) for part in parts])
        return torch.cat([recomputed(self.lower.encoder, encode, part) for part in parts])


def pooled(encoder: Encoder, stream: Stream, pooling: Pooling) -> Float[Tensor, "B W"]:
    """One state for each example, of those behind the last layer."""
    states = encoder.final_norm(stream.states)
    if pooling == "encoder":
        return encoder.pool(states)
    there = present(stream.mask)[..., None].to(states.dtype)
    return (states * there).sum(1) / there.sum(1).clamp(min=1)


def _size(x: Stream | Read) -> int:
    if isinstance(x, Stream):
        return len(x.states)
    return len(x.ids) if isinstance(x, Text) else len(x[0].slots)


def _rows(x: Read, rows: Int[Tensor, " n"]) -> Read:
    return x.rows(rows) if isinstance(x, Text) else [group.rows(rows) for group in x]


def _part(x: Stream | Read, start: int, stop: int) -> Stream | Read:
    """Some rows, images with their own pixels alone."""
    if isinstance(x, Stream):
        return Stream(x.states[start:stop], x.mask[start:stop])
    if isinstance(x, Text):
        return x.rows(torch.arange(start, stop, device=x.ids.device))
    return [_own_pixels(group, start, stop) for group in x]


def _own_pixels(group: Images, start: int, stop: int) -> Images:
    slots = group.slots[start:stop]
    pixels = at_least_one(group.pixels)[slots.clamp(min=0).flatten()]
    packed = torch.arange(slots.numel(), device=slots.device).view_as(slots)
    return Images(group.group, pixels, torch.where(slots < 0, -1, packed))
