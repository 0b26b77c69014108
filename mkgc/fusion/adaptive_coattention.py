"""Adaptive co-attention: words choose patches, what was seen chooses words, and gates decide what of it counts."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.fusion.sight import Sight
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.masks import masked_softmax, present
from mkgc.nn.streams import Streams


class AdditiveAttention(nn.Module):
    """Each query's mean of the keys by the softmax of w · tanh(W_k k + W_q q + b); zero with nothing to see."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(
        self, query: Float[Tensor, "B T D"], keys: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B T D"]:
        return self.weights(query, keys, mask) @ keys

    def weights(
        self, query: Float[Tensor, "B T D"], keys: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B T S"]:
        """Computes the softmax weights that :meth:`forward` gives the keys."""
        scores = self.score(torch.tanh(self.query(query)[:, :, None] + self.key(keys)[:, None]))[..., 0]
        return masked_softmax(scores, mask)


class AdaptiveCoAttention(nn.Module):
    """The states of the words h_t, each beside the multimodal ones u_t that its filtration gate lets through.

    1. Word-guided visual attention: v_t, a mean of the image's regions for each word.
    2. Image-guided textual attention: c_t, a mean of the words for what each word saw.
    3. Gated multimodal fusion: m_t = g_t ṽ_t + (1 - g_t) c̃_t, with ṽ_t = tanh(W v_t), c̃_t = tanh(W c_t) and
       g_t = σ(W_g [ṽ_t; c̃_t]).
    4. Filtration gate: u_t = s_t tanh(W m_t), with s_t = σ(w · [h_t; m_t]) between 0 and 1.

    A text without an image has u_t = 0. What reads [h_t; u_t] is linear, as in the paper.

    Source: Zhang et al. (AAAI 2018), Adaptive Co-attention Network for Named Entity Recognition in Tweets, section
    "Adaptive Co-attention Network", with BERT in the place of its CNN and BiLSTM, as MKGformer's table 4 has it
    (AdapCoAtt-BERT). Regions are the vision encoder's patches instead of VGG's 7 × 7. The paper's attention
    concatenates a word and a region before the scores' last product: the softmax would then drop the word's part, which
    is the same for all regions, so that no word chose anything; here the two are added, as in the attention that it
    builds on (Lu et al., 2017).
    """

    def __init__(self, text: TextLayer, side: Layer) -> None:
        super().__init__()
        width = text.width
        self.width = 2 * width
        self.to_text = nn.Linear(side.width, width)
        self.visual, self.textual = AdditiveAttention(width), AdditiveAttention(width)
        self.seen, self.said = nn.Linear(width, width), nn.Linear(width, width)
        self.gate = nn.Linear(2 * width, width)
        self.filter = nn.Linear(2 * width, 1)
        self.out = nn.Linear(width, width)

    def forward(self, text: Text, words: Stream, sight: Sight) -> Streams:
        """The width is twice the text's."""
        mask, patches = present(words.mask), present(sight.tokens.mask)
        regions = torch.tanh(self.to_text(sight.tokens.states))
        seen = self.visual(words.states, regions, patches)
        said = self.textual(seen, words.states, mask)
        joined = self.fuse(seen, said)
        passed = self.filtered(words.states, joined) * patches.any(1)[:, None, None]
        out = torch.cat([words.states, passed], -1)
        return Streams(out, words.mask, sight.tokens.states, sight.tokens.mask)

    def fuse(self, seen: Float[Tensor, "B T D"], said: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Gated multimodal fusion of what each word saw and of the words that this brought up."""
        one, other = torch.tanh(self.seen(seen)), torch.tanh(self.said(said))
        gate = torch.sigmoid(self.gate(torch.cat([one, other], -1)))
        return gate * one + (1 - gate) * other

    def filtered(self, words: Float[Tensor, "B T D"], joined: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """As much of the multimodal states as the filtration gate lets through."""
        return torch.sigmoid(self.filter(torch.cat([words, joined], -1))) * torch.tanh(self.out(joined))
