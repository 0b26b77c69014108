"""The lower part of an encoder, which may be frozen: the only place that freezes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from mkgc.batch import Input, Text, select, shared_of
from mkgc.encoders.base import Encoder, Stream


class FrozenPrefix:
    """The embeddings and the layers below the uppermost ``trainable_layers`` ones of an encoder.

    They neither learn nor drop anything out, so that what they make of an input never changes: up to ``cache_gib`` GiB
    of it is computed once (:mod:`mkgc.training.frozen`). With None all layers learn, and the prefix is the embeddings
    alone. It holds the encoder without being its parent, so that the names of parameters stay those of the encoder.
    """

    def __init__(self, encoder: Encoder, trainable_layers: int | None, cache_gib: float = 0.0) -> None:
        self.encoder, self.cache_gib = encoder, cache_gib
        self.frozen = trainable_layers is not None
        self.count = 0 if trainable_layers is None else max(len(encoder.layers) - trainable_layers, 0)
        if self.frozen:
            encoder.frozen = (*encoder.embedding_modules(), *encoder.layers[: self.count])
            for module in encoder.frozen:
                module.requires_grad_(False)
            for parameter in encoder.parameters(recurse=False):
                parameter.requires_grad_(False)

    def __call__(self, x: Input) -> Stream:
        """States behind this part: those that the batch carries, then those of the rows that are to be computed."""
        shared = shared_of(x)
        if shared is None:
            return self.compute(x)
        known = [] if shared.states is None or shared.mask is None else [Stream(shared.states, shared.mask)]
        computed = [self.compute(select(x, shared.rows))] if len(shared.rows) else []
        return _concat([*known, *computed])

    def fingerprint(self) -> list[Any]:
        """What the states depend on beside weights and inputs, as plain values."""
        return [self.count, self.cache_gib]

    def compute(self, x: Input) -> Stream:
        """States of every row of the input."""
        return self.encoder.run(self.encoder.embed(x), stop=self.count)


def _concat(streams: Sequence[Stream]) -> Stream:
    """The rows of several streams, padded to the widest."""
    if len(streams) == 1:
        return streams[0]
    width = max(x.states.shape[1] for x in streams)
    states = [F.pad(x.states, (0, 0, 0, width - x.states.shape[1])) for x in streams]
    return Stream(torch.cat(states), torch.cat([F.pad(x.mask, (0, width - x.mask.shape[1])) for x in streams]))


def lay_out(x: Stream, given: Input, size: int) -> Stream:
    """A row for each of ``size`` examples, of the states of inputs that differ."""
    shared = shared_of(given)
    if shared is not None:
        mask = given.attention_mask if isinstance(given, Text) else x.mask[shared.place]
        return Stream(x.states[shared.place], mask)
    return x if given else Stream(x.states.expand(size, -1, -1), x.mask.expand(size, *x.mask.shape[1:]))
