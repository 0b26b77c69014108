"""One stream of words and image tokens through all layers of a text encoder, as in VisualBERT."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.batch import Input, Text
from mkgc.encoders.base import Stream
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.attention import gather_mask
from mkgc.nn.masks import joint_mask
from mkgc.nn.streams import Streams


class SingleStream(FusionEncoder):
    """A text encoder that reads image tokens behind the words, in every layer.

    An image token is the vision encoder's state of a patch, projected to the text's width, with a segment embedding
    that all of them share; norm and dropout are those of the words' embeddings. They have no positions but those that
    the vision encoder gave them. Absent images are masked: a text without any is encoded as by the text encoder
    alone.

    All layers of the text encoder learn, since images reach the first. Of the vision encoder's, the uppermost
    ``side_trainable_layers`` do (None: all).

    Source: VisualBERT (Li et al., 2019), section 3.1. Its visual tokens are the features of regions that a detector
    proposed, and it is pretrained on captions; here they are patches, and it is not.
    """

    text: TextEncoder
    side: VisionEncoder

    def __init__(
        self, text: TextEncoder, side: VisionEncoder, side_trainable_layers: int | None = None, cache_gib: float = 4.0
    ) -> None:
        super().__init__(text, cache_gib=cache_gib)
        self.side = side
        self.lower_side = FrozenPrefix(side, side_trainable_layers, cache_gib)
        self.project = nn.Linear(side.width, text.width)
        # As in the released code, which begins with what the text encoder knows as a second segment.
        self.segment = nn.Parameter(text.embeddings.token_type_embeddings.weight[-1].detach().clone())
        self.train()

    def forward(self, text: Text, side: Input = (), position_ids: Int[Tensor, " B"] | None = None) -> Streams:
        """Contextual states of the text, having seen the images; ``side`` are those of the image tokens.

        With ``position_ids``, only that position of each text is in them, and the last layer computes no other:
        ``side`` is then as the layer before left it.
        """
        words, seen = self.text.embed(text), self.encode_side(side, len(text.ids))
        length = text.ids.shape[1]
        states = torch.cat([words.states, self.embed_images(seen.states)], 1)
        below = self.text.run(Stream(states, joint_mask(words.mask, seen.mask)), stop=-1)
        out = self.text.run_last(below, position_ids)
        if position_ids is None:
            return Streams(out.states[:, :length], words.mask, out.states[:, length:], seen.mask)
        mask = gather_mask(words.mask, position_ids)
        return Streams(out.states, mask, below.states[:, length:], seen.mask)

    def embed_images(self, states: Float[Tensor, "B V W"]) -> Float[Tensor, "B V D"]:
        """Image tokens as the text encoder's first layer reads them, of the vision encoder's last states."""
        parts: Any = self.text.embeddings
        tokens = self.project(self.side.final_norm(states)) + self.segment
        return parts.dropout(parts.LayerNorm(tokens))
