"""The fused layer as MKGformer's authors released it, where that differs from their paper."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.nn.attention import Correlation, gather_mask
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.nn.streams import Streams


class ReleasedFusion(nn.Module):
    """Vision looks back at the text layer before; text then looks at the finished vision layer.

    Differences from :class:`mkgc.fusion.prefix.PrefixFusion`, all of the released code: the prefix is the keys and
    values of the text layer before, with padding left in; the query of CAF is the attention's context before its output
    projection; the visual side is the vision layer's output; W_3 has a bias; no mask hides absent images.

    Source: zjunlp/MKGformer, modeling_unimo.py.

    Raises:
        ConfigError: The two layers differ in width or heads.
    """

    feeds_text = True
    uses_previous_kv = True

    def __init__(self, text: TextLayer, side: VisionLayer) -> None:
        super().__init__()
        if text.width != side.width or text.heads != side.heads:
            raise ConfigError(
                f"the released fusion needs equal widths and heads, got text {text.width} with {text.heads} heads and "
                f"vision {side.width} with {side.heads}: set size.released.width and size.released.heads to the text's"
            )
        self.correlation = Correlation()
        self.project = nn.Linear(side.width, text.hidden_dim)
        nn.init.normal_(self.project.weight, std=0.02)
        nn.init.zeros_(self.project.bias)

    def forward(
        self, x: Streams, text: TextLayer, side: VisionLayer, last: bool, position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """One fused layer; with ``position_ids``, only that position of each text is computed."""
        prefix = None if x.key_value is None else replace(x.key_value, mask=torch.ones_like(x.key_value.mask))
        seen = side.feed_forward(side.self_attention(x.side, x.side_mask, prefix).state)
        attended = text.self_attention(x.text, x.text_mask, position_ids=position_ids)
        extra = self.project(self.correlation(attended.context, seen, x.side_mask))
        states, mask = text.feed_forward(attended.state, extra), gather_mask(x.text_mask, position_ids)
        return replace(x, text=states, text_mask=mask, side=seen, key_value=attended.key_value)

    def unused_modules(self, side: VisionLayer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """Modules of the last side layer that reach no text state: none, text reads its output."""
        return []
