"""Two encoders whose last layers are paired by a fusion."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.batch import Images, Text, picture_keys
from mkgc.encoders.frozen import Lower, distinct
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.nn.attention import taken
from mkgc.nn.kept import Masked
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.nn.streams import Streams
from mkgc.released.vision import ReleasedVision

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

    Examples of a batch that show the same pictures share what the side's layers below the fused ones make of them,
    computed once; so they share what those layers drop out (dropout, drop path), too.

    With ``trained``, only so many of the text encoder's uppermost layers learn, with ``side_trained`` of the other's;
    what lies below them is neither trained nor dropped out. What it makes of an input then never changes: up to
    ``keep`` GiB of it is kept for each encoder, and each input goes through once. (A text encoder that was given new
    tokens runs each time: their vectors learn.)

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
        side_trained: int | None = None,
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
        self.lower_text = Lower(text, trained, keep)
        self.lower_side = None if self.side is None else Lower(self.side, side_trained, keep)
        self._check_trained()
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    def _check_trained(self) -> None:
        fused = len(self.fusions)
        least = fused + any(fusion.reads_below for fusion in self.fusions)
        if len(self.text.layers) - self.lower_text.count < least:
            raise ConfigError(f"backbone.trained must be at least {least}: what is fused has to learn")
        if self.lower_side is not None and len(self.lower_side.encoder.layers) - self.lower_side.count < fused:
            raise ConfigError(f"backbone.side_trained must be at least {fused}: what is fused has to learn")

    def train(self, mode: bool = True) -> Backbone:
        """As ever, but for what does not learn: that stays in evaluation mode."""
        super().train(mode)
        for lower in (self.lower_text, self.lower_side):
            if lower is not None:
                lower.rest()
        return self

    @property
    def keeps_pictures(self) -> bool:
        """Whether pictures go through the vision encoder's lower part once."""
        return self.lower_side is not None and self.lower_side.frozen

    @property
    def width(self) -> int:
        """Width of the text states."""
        return self.text.width

    def forward(self, text: Text, images: Sequence[Images] = (), at: Int[Tensor, " B"] | None = None) -> Streams:
        """Contextual states of the text, having seen the pictures; ``side`` as the last fused layer left it.

        With ``at``, only that position of each text is in them, and the last fused layer computes no other.
        """
        x = self._lower(text, images)
        fused = len(self.fusions)
        for layer in self.text.layers[self.lower_text.count : len(self.text.layers) - fused]:
            attended = layer.attend(x.text, x.text_mask)
            x = replace(x, text=layer.feed(attended.state), memory=attended.memory)
        if self.side is None:
            return replace(x, text=taken(x.text, at), text_mask=taken(x.text_mask, at))
        pairs = zip(self.fusions, self.text.layers[-fused:], self.side.layers[-fused:], strict=True)
        for depth, (fusion, text_layer, side_layer) in enumerate(pairs, start=1):
            last = depth == fused
            x = fusion(x, text_layer, side_layer, last=last, at=at if last else None)
        return x

    def _lower(self, text: Text, images: Sequence[Images]) -> Streams:
        """The text below the layers that learn, the side below the fused ones."""
        size, width = text.ids.shape
        states, mask = self.lower_text.states(
            text.keys,
            lambda rows: self._embedded(text if len(rows) == size else text.rows(rows)),
            size,
            keep=not self.text.learns_tokens,
            width=width,
        )
        if self.side is None or self.lower_side is None:
            none = torch.zeros(size, 0, dtype=torch.bool, device=states.device)
            return Streams(states, mask, states.new_zeros(size, 0, 0), none)
        shown, place = distinct(images, size)
        side, seen = self._seen(self.side, self.lower_side, shown, 1 + int(place.max()))
        return Streams(states, mask, side[place], seen[place])

    def _seen(self, side: Side, lower: Lower, images: Sequence[Images], size: int) -> Masked:
        """States of ``size`` examples' pictures below the fused layers, and where there are pictures."""
        states, seen = lower.states(
            lambda: picture_keys(images, size),
            lambda rows: side.embed(images if len(rows) == size else [g.rows(rows) for g in images], len(rows)),
            size,
            keep=True,
            width=1,
        )
        for layer in side.layers[lower.count : len(side.layers) - len(self.fusions)]:
            states = layer.feed(layer.attend(states, seen).state)
        return states, seen

    def _embedded(self, text: Text) -> tuple[Tensor, Tensor]:
        return self.text.embed(text), text.mask

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
