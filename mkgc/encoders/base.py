"""The base of all encoders: embeddings, then layers that are run in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.nn.recompute import recomputed
from mkgc.nn.streams import KeyValue


@dataclass(frozen=True)
class Stream:
    """States of sequences behind a layer; ``mask`` is True where they may be attended.

    ``key_value`` are the keys and values of the layer that came last, for fusions that reach back to them.
    """

    states: Float[Tensor, "B S D"]
    mask: Bool[Tensor, "B *Q S"]
    key_value: KeyValue | None = None


def _through(layer: Any, states: Tensor, mask: Tensor) -> tuple[Tensor, KeyValue]:
    attended = layer.self_attention(states, mask)
    return layer.feed_forward(attended.state), attended.key_value


class Encoder(nn.Module, ABC):
    """Embeds an input and runs it through ``layers``, which fusions may take over one by one.

    ``frozen`` are the modules that do not learn: they stay in evaluation mode, whatever mode the rest is in
    (:class:`mkgc.encoders.frozen.FrozenPrefix` sets them). With ``checkpointing``, a layer's activations are computed
    again when its gradient is, instead of being kept. With ``biased_projection``, what projects its pooled states has a
    bias.
    """

    layers: Any
    width: int
    frozen: tuple[nn.Module, ...] = ()
    checkpointing: bool = False
    biased_projection: bool = False

    @property
    def learns_tokens(self) -> bool:
        """Whether embeddings learn, although layers above them may be frozen."""
        return False

    @abstractmethod
    def embed(self, x: Any) -> Stream:
        """The input of the first layer."""

    @abstractmethod
    def embedding_modules(self) -> list[nn.Module]:
        """The modules that :meth:`embed` uses."""

    @abstractmethod
    def architecture_config(self) -> dict[str, Any]:
        """A configuration that builds this architecture again, without weights and without a hub."""

    def run(self, x: Stream, start: int = 0, stop: int | None = None) -> Stream:
        """The states behind the layers from ``start`` on, up to ``stop``."""
        for layer in self.layers[start:stop]:
            if self.checkpointing and torch.is_grad_enabled():
                states, key_value = recomputed(layer, partial(_through, layer), x.states, x.mask)
            else:
                states, key_value = _through(layer, x.states, x.mask)
            x = Stream(states, x.mask, key_value)
        return x

    def final_norm(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        """The norm behind the last layer; post-norm encoders have none."""
        return x

    def pool(self, states: Float[Tensor, "B S D"]) -> Float[Tensor, "B D"]:
        """One state for each example, of those behind :meth:`final_norm`: the first, that of the class token."""
        return states[:, 0]

    def pooling_modules(self) -> list[nn.Module]:
        """The modules that :meth:`pool` uses."""
        return []

    def unused_modules(self, normed: bool) -> list[nn.Module]:
        """The modules that no state reaches, or only one behind :meth:`final_norm` where that is not read."""
        return []

    def forward(self, x: Any) -> Stream:
        """The encoder's output."""
        out = self.run(self.embed(x))
        return Stream(self.final_norm(out.states), out.mask, out.key_value)

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self
