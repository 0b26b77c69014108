"""Two encoders whose last layers are paired by a fusion."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.batch import Images, Text, image_keys
from mkgc.encoders.frozen import FrozenPrefix, unique_images
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.nn.attention import gather_positions
from mkgc.nn.kept import Masked
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.nn.streams import Streams
from mkgc.released.vision import ReleasedVision

Side = VisionEncoder | ReleasedVision


@runtime_checkable
class Fusion(Protocol):
    """Builds the module that joins one text layer with one side layer."""

    def __call__(self, text: TextLayer, side: VisionLayer) -> nn.Module: ...


class FusionEncoder(nn.Module):
    """Text and images in, contextual text states out.

    The first layers of each encoder run alone; the last ``fused`` of both run in pairs through a fusion. With
    ``stacked`` the pairs are new layers on top instead, the encoders' own staying unimodal (an ablation of the
    paper). Heads read the text stream: what would reach the side's output alone is neither computed nor trained, and a
    side that reaches no text state at all (``caf=false``) is left out.

    Examples of a batch that show the same images share what the side's layers below the fused ones make of them,
    computed once; so they share what those layers drop out (dropout, drop path), too.

    With ``trainable_layers``, only so many of the text encoder's uppermost layers learn, with
    ``side_trainable_layers`` of the other's; what lies below them is neither trained nor dropped out. What it makes of
    an input then never changes: up to ``cache_gib`` GiB of it is kept for each encoder, and each input goes through
    once. (A text encoder that was given new tokens runs each time: their vectors learn.)

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
        stacked: bool = False,
        trainable_layers: int | None = None,
        side_trainable_layers: int | None = None,
        cache_gib: float = 4.0,
    ) -> None:
        super().__init__()
        self.text = text
        if side is not None:
            _check_depth(fused, text, side, fusion)
            if stacked:
                _add_layers(text, fused)
                _add_layers(side, fused)
        pairs = [] if side is None else zip(text.layers[-fused:], side.layers[-fused:], strict=True)
        self.fusions = nn.ModuleList(fusion(t, s) for t, s in pairs if fusion is not None)
        self.side = side if any(f.feeds_text for f in self.fusions) else None
        if self.side is None:
            self.fusions = nn.ModuleList()
        else:
            unused_modules = [*self.fusions[-1].unused_modules(self.side.layers[-1]), *self.side.unused_modules()]
            for module in unused_modules:
                module.requires_grad_(False)
        self.lower_text = FrozenPrefix(text, trainable_layers, cache_gib)
        self.lower_side = None if self.side is None else FrozenPrefix(self.side, side_trainable_layers, cache_gib)
        self._check_trained()
        self.train()  # pretrained encoders come in evaluation mode, and Lightning takes modules as they are

    def _check_trained(self) -> None:
        fused = len(self.fusions)
        least = fused + any(fusion.uses_previous_kv for fusion in self.fusions)
        if len(self.text.layers) - self.lower_text.count < least:
            raise ConfigError(f"backbone.trainable_layers must be at least {least}: what is fused has to learn")
        if self.lower_side is not None and len(self.lower_side.encoder.layers) - self.lower_side.count < fused:
            raise ConfigError(f"backbone.side_trainable_layers must be at least {fused}: what is fused has to learn")

    def train(self, mode: bool = True) -> FusionEncoder:
        """As ever, but for what does not learn: that stays in evaluation mode."""
        super().train(mode)
        for lower in (self.lower_text, self.lower_side):
            if lower is not None:
                lower.rest()
        return self

    @property
    def keeps_images(self) -> bool:
        """Whether images go through the vision encoder's lower part once."""
        return self.lower_side is not None and self.lower_side.frozen

    @property
    def width(self) -> int:
        """Width of the text states."""
        return self.text.width

    def forward(
        self, text: Text, images: Sequence[Images] = (), position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """Contextual states of the text, having seen the images; ``side`` as the last fused layer left it.

        With ``position_ids``, only that position of each text is in them, and the last fused layer computes no other.
        """
        x = self._lower(text, images)
        fused = len(self.fusions)
        for layer in self.text.layers[self.lower_text.count : len(self.text.layers) - fused]:
            attended = layer.self_attention(x.text, x.text_mask)
            x = replace(x, text=layer.feed_forward(attended.state), key_value=attended.key_value)
        if self.side is None:
            return replace(
                x, text=gather_positions(x.text, position_ids), text_mask=gather_positions(x.text_mask, position_ids)
            )
        pairs = zip(self.fusions, self.text.layers[-fused:], self.side.layers[-fused:], strict=True)
        for depth, (fusion, text_layer, side_layer) in enumerate(pairs, start=1):
            last = depth == fused
            x = fusion(x, text_layer, side_layer, last=last, position_ids=position_ids if last else None)
        return x

    def _lower(self, text: Text, images: Sequence[Images]) -> Streams:
        """The text below the layers that learn, the side below the fused ones."""
        size, width = text.ids.shape
        states, mask = self.lower_text.states(
            text.keys,
            lambda rows: self._embedded(text if len(rows) == size else text.rows(rows)),
            size,
            cache_gib=not self.text.learns_tokens,
            width=width,
        )
        if self.side is None or self.lower_side is None:
            none = torch.zeros(size, 0, dtype=torch.bool, device=states.device)
            return Streams(states, mask, states.new_zeros(size, 0, 0), none)
        shown, place = unique_images(images, size)
        side, seen = self._seen(self.side, self.lower_side, shown, 1 + int(place.max()))
        return Streams(states, mask, side[place], seen[place])

    def _seen(self, side: Side, lower: FrozenPrefix, images: Sequence[Images], size: int) -> Masked:
        """States of ``size`` examples' images below the fused layers, and where there are images."""
        states, seen = lower.states(
            lambda: image_keys(images, size),
            lambda rows: side.embed(images if len(rows) == size else [g.rows(rows) for g in images], len(rows)),
            size,
            cache_gib=True,
            width=1,
        )
        for layer in side.layers[lower.count : len(side.layers) - len(self.fusions)]:
            states = layer.feed_forward(layer.self_attention(states, seen).state)
        return states, seen

    def _embedded(self, text: Text) -> tuple[Tensor, Tensor]:
        return self.text.embed(text), text.mask

    def architecture_configs(self) -> dict[str, Any]:
        """Configurations that build both encoders again without weights; the side's is None where it is left out."""
        return {
            "text": self.text.architecture_config(),
            "side": None if self.side is None else self.side.architecture_config(),
        }


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
