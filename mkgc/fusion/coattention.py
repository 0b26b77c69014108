"""Two streams that look at each other through layers between their encoders' own, as in ViLBERT."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.nn.attention import join_heads, mix, split_heads, taken
from mkgc.nn.layers import TextLayer, VisionLayer
from mkgc.nn.streams import KeyValue, Streams


class CrossAttention(nn.Module):
    """One stream's queries over the other's keys and values, in ``inner`` dimensions and back."""

    def __init__(self, width: int, other: int, inner: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(other, inner)
        self.value = nn.Linear(other, inner)
        self.out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B S D"], other: Float[Tensor, "B O W"], mask: Bool[Tensor, "B O"]
    ) -> Float[Tensor, "B S D"]:
        key, value = (split_heads(part(other), self.heads) for part in (self.key, self.value))
        query = split_heads(self.query(x), self.heads)
        context = mix(query, KeyValue(key, value, mask), self.dropout.p if self.training else 0.0)
        return self.dropout(self.out(join_heads(context)))


def _network(width: int, inner: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width), nn.Dropout(dropout))


class TextBranch(nn.Module):
    """Text looks at pictures, then its feed-forward network; a norm behind each residual, as in BERT."""

    def __init__(self, text: TextLayer, other: int, dropout: float) -> None:
        super().__init__()
        self.attention = CrossAttention(text.width, other, text.width, text.heads, dropout)
        self.network = _network(text.width, text.inner, dropout)
        self.attended = nn.LayerNorm(text.width, eps=1e-12)
        self.fed = nn.LayerNorm(text.width, eps=1e-12)

    def forward(
        self, x: Float[Tensor, "B T D"], side: Float[Tensor, "B V W"], mask: Bool[Tensor, "B V"]
    ) -> Float[Tensor, "B T D"]:
        x = self.attended(x + self.attention(x, side, mask))
        return self.fed(x + self.network(x))


class SideBranch(nn.Module):
    """Pictures look at text, then their feed-forward network; a norm before each, as in a VisionTransformer."""

    def __init__(self, text: TextLayer, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = CrossAttention(width, text.width, text.width, text.heads, dropout)
        self.network = _network(width, 4 * width, dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(
        self,
        x: Float[Tensor, "B V W"],
        normed: Float[Tensor, "B V W"],
        text: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B V W"]:
        x = x + self.attention(normed, text, mask)
        return x + self.network(self.norm(x))


class CoAttention(nn.Module):
    """A co-attentional layer before each pair of the encoders' own layers.

    In it the text's queries meet the keys and values of the picture tokens and theirs meet the text's, both before
    either has changed; each stream has residuals, norms and a feed-forward network of its own. Attention is as wide as
    the text and has its heads. Padding and absent pictures are masked; a text without any picture passes by, so that it
    is encoded as by the text encoder alone.

    Norms stand where the stream's encoder has them: behind the residual sum in BERT, before attention and network in a
    VisionTransformer. What differs from ViLBERT is that: its visual stream is post-norm and made for region features,
    here it is an encoder of patches, and the co-attentional layers are not pretrained on captions.

    Source: ViLBERT (Lu et al., 2019), section 3.1 and figure 2; their order (co-attentional layer first, the streams'
    own layers behind it) as in its released code.
    """

    feeds_text = True
    reads_below = False

    def __init__(self, text: TextLayer, side: VisionLayer) -> None:
        super().__init__()
        dropout = text.block.output.dropout.p
        self.norm = nn.LayerNorm(side.width, eps=1e-6)
        self.text = TextBranch(text, side.width, dropout)
        self.side = SideBranch(text, side.width, dropout)

    def forward(
        self, x: Streams, text: TextLayer, side: VisionLayer, last: bool, at: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """A co-attentional layer, then one layer of each stream; the ``last`` leaves the side as it was.

        With ``at``, only that position of each text is computed.
        """
        normed = self.norm(x.side)
        pictured = x.side_mask.any(1)[:, None, None]
        connected = torch.where(pictured, self.text(x.text, normed, x.side_mask), x.text)
        attended = text.attend(connected, x.text_mask, at=at)
        states, mask = text.feed(attended.state), taken(x.text_mask, at)
        out = replace(x, text=states, text_mask=mask, memory=attended.memory)
        if last:
            return out
        seen = self.side(x.side, normed, x.text, x.text_mask)
        return replace(out, side=side.feed(side.attend(seen, x.side_mask).state))

    def unread(self, side: VisionLayer) -> list[nn.Module]:
        """What reaches no text state in the last layer: the side's own layer, and its branch here."""
        return [side, self.side]
