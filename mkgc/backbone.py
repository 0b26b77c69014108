"""Two encoders whose last layers are paired by a fusion."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mkgc.batch import Images, Text, picture_keys
from mkgc.encoders.released import ReleasedVision
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.nn.kept import KeptStates
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.streams import Streams

Side = VisionEncoder | ReleasedVision


@runtime_checkable
class Fusion(Protocol):
    """Builds the module that joins one text layer with one side layer."""

    def __call__(self, text: TextLayer, side: VisionLayer) -> nn.Module: ...


class Backbone(nn.Module):
    """Text and pictures in, contextual text states out.

    The first layers of each encoder run alone; the last ``fused`` of both run in pairs through a fusion. With
    ``independent`` the pairs are new layers on top instead, the encoders' own staying unimodal (an ablation of the
    paper). Heads read the text stream: what would reach the side's output alone is neither computed nor trained, and a
    side that reaches no text state at all (``caf=false``) is left out.

    With ``trained``, only so many of each encoder's uppermost layers learn; what lies below them is neither trained nor
    dropped out. What it makes of an input then never changes: up to ``keep`` GiB of it is kept for each encoder, and
    each input goes through once. (A text encoder that was given new tokens runs each time: their vectors learn.)

    Raises:
        ConfigError: More layers are to be fused than the encoders have or learn, or there is a side and no fusion.
    """

    fusions: Any

    def __init__(
        self,
        text: TextEncoder,
        side: Side | None = None,
        fusion: Fusion | None = None,
        fused: int = 0,
        independent: bool = False,
        trained: int | None = None,
        keep: float = 4.0,
    ) -> None:
        super().__init__()
        self.text = text
        if side is not None:
            _check_depth(fused, text, side, fusion)
            if independent:
                _add_layers(text, fused)
                _add_layers(side, fused)
        pairs = [] if side is None else zip(text.layers[-fused:], side.layers[-fused:], strict=True)
        self.fusions = nn.ModuleList(fusion(t, s) for t, s in pairs if fusion is not None)
        self.side = side if any(f.feeds_text for f in self.fusions) else None
        if self.side is None:
            self.fusions = nn.ModuleList()
        else:
            unread = [*self.fusions[-1].unread(self.side.layers[-1]), *self.side.final_parts()]
            for module in unread:
                module.requires_grad_(False)
        self.trained = trained
        self._still = self._freeze()
        self.kept_text, self.kept_side = KeptStates(keep), KeptStates(keep)
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    def _freeze(self) -> list[nn.Module]:
        """Ends the training of what lies below the trained layers, and returns it."""
        if self.trained is None:
            return []
        least = len(self.fusions) + any(fusion.reads_below for fusion in self.fusions)
        if self.trained < least:
            raise ConfigError(f"backbone.trained={self.trained} must be at least {least}: what is fused has to learn")
        encoders = [encoder for encoder in (self.text, self.side) if encoder is not None]
        return [part for encoder in encoders for part in encoder.freeze(self._below(encoder))]

    def _below(self, encoder: TextEncoder | Side) -> int:
        """How many layers of an encoder do not learn."""
        return 0 if self.trained is None else max(len(encoder.layers) - self.trained, 0)

    def train(self, mode: bool = True) -> Backbone:
        """As ever, but for the frozen parts: these stay in evaluation mode."""
        super().train(mode)
        for part in self._still:
            part.eval()
        return self

    @property
    def width(self) -> int:
        """Width of the text states."""
        return self.text.width

    def forward(self, text: Text, images: Sequence[Images] = ()) -> Streams:
        """Contextual states of the text, having seen the pictures; ``side`` as the last fused layer left it."""
        x = self._lower(text, images)
        fused = len(self.fusions)
        for layer in self.text.layers[self._below(self.text) : len(self.text.layers) - fused]:
            attended = layer.attend(x.text, x.text_mask)
            x = replace(x, text=layer.feed(attended.state), memory=attended.memory)
        if self.side is None:
            return x
        for layer in self.side.layers[self._below(self.side) : len(self.side.layers) - fused]:
            x = replace(x, side=layer.feed(layer.attend(x.side, x.side_mask).state))
        pairs = zip(self.fusions, self.text.layers[-fused:], self.side.layers[-fused:], strict=True)
        for depth, (fusion, text_layer, side_layer) in enumerate(pairs, start=1):
            x = fusion(x, text_layer, side_layer, last=depth == fused)
        return x

    def _lower(self, text: Text, images: Sequence[Images]) -> Streams:
        """Both streams as the frozen layers leave them, or as they are embedded where none is frozen."""
        states, mask = self._lower_text(text)
        size = states.shape[0]
        if self.side is None:
            side, seen = states.new_zeros(size, 0, 0), torch.zeros(size, 0, dtype=torch.bool, device=states.device)
        else:
            side, seen = self._lower_side(images, size)
        return Streams(states, mask, side, seen)

    def _lower_text(self, text: Text) -> tuple[Tensor, Tensor]:
        def run(rows: list[int]) -> tuple[Tensor, Tensor]:
            part = text if len(rows) == len(text.ids) else text.rows(rows)
            return self._through(self.text, self.text.embed(part), part.mask), part.mask

        if self.trained is not None and not self.text.learns_tokens:
            return self.kept_text(text.keys(), run, text.ids.shape[1])
        return run(list(range(len(text.ids))))

    def _lower_side(self, images: Sequence[Images], size: int) -> tuple[Tensor, Tensor]:
        side: Any = self.side

        def run(rows: list[int]) -> tuple[Tensor, Tensor]:
            part = images if len(rows) == size else [group.rows(rows) for group in images]
            states, mask = side.embed(part, len(rows))
            return self._through(side, states, mask), mask

        return run(list(range(size))) if self.trained is None else self.kept_side(picture_keys(images, size), run)

    def _through(self, encoder: TextEncoder | Side, states: Tensor, mask: Tensor) -> Tensor:
        for layer in encoder.layers[: self._below(encoder)]:
            states = layer.feed(layer.attend(states, mask).state)
        return states

    def recipes(self) -> dict[str, Any]:
        """Configurations that build both encoders again without weights; the side's is None where it is left out."""
        return {"text": self.text.recipe(), "side": None if self.side is None else self.side.recipe()}


def _check_depth(fused: int, text: TextEncoder, side: Side, fusion: Fusion | None) -> None:
    depth = min(len(text.layers), len(side.layers))
    if not 1 <= fused <= depth:
        raise ConfigError(
            f"backbone.fused={fused} must lie between 1 and {depth}: the text encoder has {len(text.layers)} layers, "
            f"the vision encoder {len(side.layers)}"
        )
    if fusion is None:
        raise ConfigError("backbone.fusion is missing: two encoders need a fusion to join them")


def _add_layers(encoder: TextEncoder | Side, count: int) -> None:
    """Puts fresh layers of the same shape on top."""
    for _ in range(count):
        layer = deepcopy(encoder.layers[-1])
        for module in layer.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        encoder.layers.append(layer)
