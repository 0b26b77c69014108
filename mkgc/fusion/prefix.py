"""M-Encoder layer of MKGformer: prefix-guided interaction and correlation-aware fusion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.nn.attention import Correlation, gather_mask, join_heads, split_heads
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.nn.streams import SIDE, KeyValue, Streams


def _adapter(width: int, other: int) -> nn.Module:
    """A learned projection where widths differ; nothing where they do not."""
    return nn.Identity() if width == other else nn.Linear(width, other)


class PrefixFusion(nn.Module):
    """Joins one text layer and one vision layer; the new parameters are CAF's projection and width adapters.

    PGI: vision attends to the text's keys and values of the same layer, put before its own. CAF: the text's
    feed-forward network reads, for each token, the image tokens that correlate with it. Padding tokens and absent
    images are masked in both. CAF is the one way from images to text: without it, text states do not depend on
    images.

    Source: MKGformer (Chen et al., 2022), equation 10 (PGI) and equations 13 to 16 (CAF); the bracket printed in
    equation 16 is a misprint, W_3 stands inside the activation.
    """

    uses_previous_kv = False

    def __init__(self, text: TextLayer, side: VisionLayer, pgi: bool = True, caf: bool = True) -> None:
        super().__init__()
        self.pgi, self.caf = pgi, caf
        if pgi:
            self.key_to_side = _adapter(text.width, side.width)
            self.value_to_side = _adapter(text.width, side.width)
        if caf:
            self.side_to_text = _adapter(side.width, text.width)
            self.correlation = Correlation()
            self.project = nn.Linear(text.width, text.hidden_dim, bias=False)

    @property
    def feeds_text(self) -> bool:
        """Whether text states depend on the side stream."""
        return self.caf

    def prefix(self, key_value: KeyValue, heads: int) -> KeyValue:
        """The text's keys and values in the width and the heads of the other side."""
        return KeyValue(
            split_heads(self.key_to_side(join_heads(key_value.key)), heads),
            split_heads(self.value_to_side(join_heads(key_value.value)), heads),
            key_value.mask,
        )

    def correlate(
        self, text: Float[Tensor, "B T D"], side: Float[Tensor, "B V W"], side_mask: Bool[Tensor, "B V"]
    ) -> Float[Tensor, "B T F"]:
        """The term that images add to the hidden units of the text's feed-forward network: Agg W_3."""
        return self.project(self.correlation(text, self.side_to_text(side), side_mask))

    def forward(
        self, x: Streams, text: TextLayer, side: VisionLayer, last: bool, position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """One fused layer; the ``last`` one leaves the side stream as attention made it, since nothing reads it.

        With ``position_ids``, only that position of each text is computed.
        """
        attended = text.self_attention(x.text, x.text_mask, position_ids=position_ids)
        prefix = self.prefix(attended.key_value, side.heads) if self.pgi else None
        seen = side.self_attention(x.side, x.side_mask, prefix)
        extra = self.correlate(attended.state, seen.state, seen.key_value.mask) if self.caf else None
        return replace(
            x,
            text=text.feed_forward(attended.state, extra),
            text_mask=gather_mask(x.text_mask, position_ids),
            side=seen.state if last else side.feed_forward(seen.state),
            key_value=attended.key_value,
        )

    def unused_modules(self, side: VisionLayer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """Modules of the last side layer that reach no text state."""
        return side.feed_forward_modules() if last and SIDE not in outputs else []
