"""UMT's multimodal interaction: cross-modal transformer layers in both directions, and a visual gate."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.fusion.coattention import TextBranch
from mkgc.fusion.sight import Sight
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.masks import present
from mkgc.nn.streams import Streams


class UnifiedTransformer(nn.Module):
    """Image-aware word states beside word-aware visual states that a gate lets through.

    On the text's states R, from a self-attention layer of their own, and on the projected patches V:

    - V2T: P = words that look at the patches, which have looked at the words: CMT(R, CMT(V, R));
    - T2V: Q = words as what they see: CMT(R, V);
    - visual gate: g = σ(W [P; Q]), and the output is [P; g ⊙ Q].

    CMT is a cross-modal transformer layer: attention over the other side, a feed-forward network, a norm behind each
    residual. For tasks that ask for it (:meth:`detect_spans`), another self-attention layer over the text gives states
    in which entities are found without the images (:class:`mkgc.heads.span_detection.SpanDetection`). A text without
    any image has P = R and g ⊙ Q = 0.

    Source: Yu et al. (ACL 2020), Improving Multimodal Named Entity Recognition via Entity Span Detection with Unified
    Multimodal Transformer, section 3.3; which layer reads which as in its released code
    (jefferyYu/UMT), one layer each. Regions are the vision encoder's patches instead of ResNet-152's 7 × 7.
    """

    def __init__(self, text: TextLayer, side: Layer) -> None:
        super().__init__()
        width, dropout = text.width, text.block.output.dropout.p
        self.width = 2 * width
        self.layer = partial(TextBranch, text, width, dropout)
        self.words = self.layer()
        self.seen_by_text, self.seen_by_images = nn.Linear(side.width, width), nn.Linear(side.width, width)
        self.text_to_image, self.image_to_text, self.text_to_seen = self.layer(), self.layer(), self.layer()
        self.gate = nn.Linear(2 * width, width)
        self.detecting: TextBranch | None = None

    def detect_spans(self) -> int:
        self.detecting = self.layer()
        return self.width // 2

    def forward(self, text: Text, words: Stream, sight: Sight) -> Streams:
        """The width is twice the text's; ``unimodal`` are the states for the detection of spans."""
        mask, patches = present(words.mask), present(sight.tokens.mask)
        states, imaged = self.words(words.states, words.states, mask), patches.any(1)[:, None, None]
        looking = self.image_to_text(self.seen_by_images(sight.tokens.states), states, mask)
        aware = torch.where(imaged, self.text_to_seen(states, looking, patches), states)
        visual = self.text_to_image(states, self.seen_by_text(sight.tokens.states), patches)
        out = torch.cat([aware, torch.where(imaged, self.gated(aware, visual), 0)], -1)
        unimodal = None if self.detecting is None else self.detecting(words.states, words.states, mask)
        return Streams(out, words.mask, sight.tokens.states, sight.tokens.mask, unimodal=unimodal)

    def gated(self, aware: Float[Tensor, "B T D"], visual: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """As much of what each word sees as the visual gate lets through."""
        return torch.sigmoid(self.gate(torch.cat([aware, visual], -1))) * visual
