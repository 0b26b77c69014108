"""One stream of words and image tokens through all layers of a text encoder, as in VisualBERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.batch import Images, Text
from mkgc.encoders.frozen import FrozenPrefix
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.attention import gather_positions
from mkgc.nn.streams import Streams


class SingleStream(FusionEncoder):
    """A text encoder that reads image tokens behind the words, in every layer.

    An image token is the vision encoder's state of a patch, projected to the text's width, with a segment embedding
    that all of them share; norm and dropout are those of the words' embeddings. They have no positions but those that
    the vision encoder gave them. Absent images are masked: a text without any is encoded as by the text encoder
    alone.

    All layers of the text encoder learn, since images reach the first. Of the vision encoder's, the uppermost
    ``side_trainable_layers`` do (None: all), with up to ``cache_gib`` GiB of what the others make of each image kept.

    Source: VisualBERT (Li et al., 2019), section 3.1. Its visual tokens are the features of regions that a detector
    proposed, and it is pretrained on captions; here they are patches, and it is not.
    """

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

    def forward(
        self, text: Text, images: Sequence[Images] = (), position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """Contextual states of the text, having seen the images; ``side`` are those of the image tokens.

        With ``position_ids``, only that position of each text is in them, and the last layer computes no other:
        ``side`` is then as the layer before left it.
        """
        x = self._lower(text, images)
        widths = [x.text.shape[1], x.side.shape[1]]
        states = torch.cat([x.text, self.embed_images(x.side)], 1)
        mask = torch.cat([x.text_mask, x.side_mask], 1)
        *below, last = self.text.layers
        for layer in below:
            states = layer.feed_forward(layer.self_attention(states, mask).state)
        out = last.feed_forward(last.self_attention(states, mask, position_ids=position_ids).state)
        if position_ids is None:
            words, visual = out.split(widths, 1)
            return replace(x, text=words, side=visual)
        return replace(x, text=out, text_mask=gather_positions(x.text_mask, position_ids), side=states[:, widths[0] :])

    def embed_images(self, states: Float[Tensor, "B V W"]) -> Float[Tensor, "B V D"]:
        """Image tokens as the text encoder's first layer reads them, of the vision encoder's last states."""
        parts: Any = self.text.embeddings
        tokens = self.project(self.side.final_norm(states)) + self.segment
        return parts.dropout(parts.LayerNorm(tokens))
