"""One stream of words and picture tokens through all layers of a text encoder, as in VisualBERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.batch import Images, Text
from mkgc.encoders.frozen import Lower
from mkgc.encoders.text import TextEncoder
from mkgc.encoders.vision import VisionEncoder
from mkgc.models.fusion_encoder import Backbone
from mkgc.nn.attention import taken
from mkgc.nn.streams import Streams


class SingleStream(Backbone):
    """A text encoder that reads picture tokens behind the words, in every layer.

    A picture token is the vision encoder's state of a patch, projected to the text's width, with a segment embedding
    that all of them share; norm and dropout are those of the words' embeddings. They have no positions but those that
    the vision encoder gave them. Absent pictures are masked: a text without any is encoded as by the text encoder
    alone.

    All layers of the text encoder learn, since pictures reach the first. Of the vision encoder's, the uppermost
    ``side_trained`` do (None: all), with up to ``keep`` GiB of what the others make of each picture kept.

    Source: VisualBERT (Li et al., 2019), section 3.1. Its visual tokens are the features of regions that a detector
    proposed, and it is pretrained on captions; here they are patches, and it is not.
    """

    side: VisionEncoder

    def __init__(
        self, text: TextEncoder, side: VisionEncoder, side_trained: int | None = None, keep: float = 4.0
    ) -> None:
        super().__init__(text, keep=keep)
        self.side = side
        self.lower_side = Lower(side, side_trained, keep)
        self.project = nn.Linear(side.width, text.width)
        # As in the released code, which begins with what the text encoder knows as a second segment.
        self.segment = nn.Parameter(text.embeddings.token_type_embeddings.weight[-1].detach().clone())
        self.train()

    def forward(self, text: Text, images: Sequence[Images] = (), at: Int[Tensor, " B"] | None = None) -> Streams:
        """Contextual states of the text, having seen the pictures; ``side`` are those of the picture tokens.

        With ``at``, only that position of each text is in them, and the last layer computes no other: ``side`` is then
        as the layer before left it.
        """
        x = self._lower(text, images)
        widths = [x.text.shape[1], x.side.shape[1]]
        states = torch.cat([x.text, self.embed_pictures(x.side)], 1)
        mask = torch.cat([x.text_mask, x.side_mask], 1)
        *below, last = self.text.layers
        for layer in below:
            states = layer.feed(layer.attend(states, mask).state)
        out = last.feed(last.attend(states, mask, at=at).state)
        if at is None:
            words, pictures = out.split(widths, 1)
            return replace(x, text=words, side=pictures)
        return replace(x, text=out, text_mask=taken(x.text_mask, at), side=states[:, widths[0] :])

    def embed_pictures(self, states: Float[Tensor, "B V W"]) -> Float[Tensor, "B V D"]:
        """Picture tokens as the text encoder's first layer reads them, of the vision encoder's last states."""
        parts: Any = self.text.embeddings
        tokens = self.project(self.side.finish(states)) + self.segment
        return parts.dropout(parts.LayerNorm(tokens))
