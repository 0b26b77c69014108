"""Two streams that look at each other through layers between their encoders' own, as in ViLBERT."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.nn.attention import Attention, gather_mask, join_heads, split_heads
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.masks import present
from mkgc.nn.streams import SIDE, KeyValue, Streams


class CrossAttention(nn.Module):
    """One stream's queries over the other's keys and values, in ``hidden_dim`` dimensions and back."""

    def __init__(self, width: int, other: int, hidden_dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention = Attention(dropout)
        self.query = nn.Linear(width, hidden_dim)
        self.key = nn.Linear(other, hidden_dim)
        self.value = nn.Linear(other, hidden_dim)
        self.out = nn.Linear(hidden_dim, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B S D"], other: Float[Tensor, "B O W"], mask: Bool[Tensor, "B O"]
    ) -> Float[Tensor, "B S D"]:
        key, value = (split_heads(part(other), self.heads) for part in (self.key, self.value))
        query = split_heads(self.query(x), self.heads)
        context = self.attention(query, KeyValue(key, value, mask))
        return self.dropout(self.out(join_heads(context)))


def _network(width: int, hidden_dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, width), nn.Dropout(dropout))


class TextBranch(nn.Module):
    """Text looks at images, then its feed-forward network; a norm behind each residual, as in BERT."""

    def __init__(self, text: TextLayer, other: int, dropout: float) -> None:
        super().__init__()
        self.attention = CrossAttention(text.width, other, text.width, text.heads, dropout)
        self.network = _network(text.width, text.hidden_dim, dropout)
        self.attended = nn.LayerNorm(text.width, eps=1e-12)
        self.fed = nn.LayerNorm(text.width, eps=1e-12)

    def forward(
        self, x: Float[Tensor, "B T D"], side: Float[Tensor, "B V W"], mask: Bool[Tensor, "B V"]
    ) -> Float[Tensor, "B T D"]:
        x = self.attended(x + self.attention(x, side, mask))
        return self.fed(x + self.network(x))


class SideBranch(nn.Module):
    """Images look at text, then their feed-forward network; a norm before each, as in a VisionTransformer."""

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

    In it the text's queries meet the keys and values of the image tokens and theirs meet the text's, both before
    either has changed; each stream has residuals, norms and a feed-forward network of its own. Attention is as wide as
    the text and has its heads. Padding and absent images are masked; a text without any image passes by, so that it
    is encoded as by the text encoder alone.

    Norms stand where the stream's encoder has them: behind the residual sum in BERT, before attention and network in a
    VisionTransformer. What differs from ViLBERT is that: its visual stream is post-norm and made for region features,
    here it is an encoder of patches, and the co-attentional layers are not pretrained on captions.

    Source: ViLBERT (Lu et al., 2019), section 3.1 and figure 2; their order (co-attentional layer first, the streams'
    own layers behind it) as in its released code.
    """

    feeds_text = True
    uses_previous_kv = False

    def __init__(self, text: TextLayer, side: Layer) -> None:
        super().__init__()
        dropout = text.block.output.dropout.p
        self.norm = nn.LayerNorm(side.width, eps=1e-6)
        self.text = TextBranch(text, side.width, dropout)
        self.side = SideBranch(text, side.width, dropout)

    def forward(
        self, x: Streams, text: TextLayer, side: Layer, last: bool, position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """A co-attentional layer, then one layer of each stream; the ``last`` leaves the side as it was.

        With ``position_ids``, only that position of each text is computed.
        """
        normed = self.norm(x.side)
        imaged = present(x.side_mask)
        connected = torch.where(imaged.any(1)[:, None, None], self.text(x.text, normed, imaged), x.text)
        attended = text.self_attention(connected, x.text_mask, position_ids=position_ids)
        states, mask = text.feed_forward(attended.state), gather_mask(x.text_mask, position_ids)
        out = replace(x, text=states, text_mask=mask, key_value=attended.key_value)
        if last:
            return out
        seen = self.side(x.side, normed, x.text, present(x.text_mask))
        return replace(out, side=side.feed_forward(side.self_attention(seen, x.side_mask).state))

    def unused_modules(self, side: Layer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """The modules that reach no text state in the last layer: the side's own layer, and its branch here."""
        return [side, self.side] if last and SIDE not in outputs else []
