"""The K-Encoder layer of ERNIE (THU): tokens and the entities that they begin a mention of share hidden units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.nn.attention import gather_mask, gather_positions
from mkgc.nn.layers import TextLayer
from mkgc.nn.span_pooling import first_states, span_mask, spread
from mkgc.nn.streams import SIDE, Streams, mentions_of


class InformationFusion(nn.Module):
    """Joins one text layer and one layer of the entities that a text mentions, with no parameters of its own.

    Tokens attend to tokens and entities to entities. An entity is aligned with the first token of its mention; both
    then share the hidden units of one feed-forward network, h = act(W_t w + W_e e + b), of which each has its own
    output: w' = LN(w + W_t' h + b_t), e' = LN(e + W_e' h + b_e). A token that begins no mention has those of the text
    layer alone. Entities are the first nodes of a graph (``visible="mentioned"`` of
    :class:`mkgc.encoders.knowledge.KnowledgeEncoder`); relations are not read.

    The state of a mention is that of its first token, of which ERNIE predicts the entity.

    Source: ERNIE (Zhang et al., ACL 2019), section 3.3, with residuals and norms as in its released code.
    Mentions that begin with the same token share the mean of what their entities add.

    Raises:
        ConfigError: The hidden units are not as many on both sides.
    """

    feeds_text = True
    uses_previous_kv = False

    def __init__(self, text: TextLayer, side: TextLayer) -> None:
        super().__init__()
        if text.hidden_dim != side.hidden_dim:
            raise ConfigError(
                f"backbone.side.hidden_dim={side.hidden_dim}: tokens and entities share hidden units, of which the "
                f"text encoder has {text.hidden_dim}"
            )

    def forward(
        self, x: Streams, text: TextLayer, side: TextLayer, last: bool, position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """One K-Encoder layer; the ``last`` one leaves entities as attention made them, since nothing reads it.

        With ``position_ids``, only that position of each text is computed, and mentions have no states.
        """
        spans = mentions_of(x)
        starts = torch.stack([spans[..., 0], spans[..., 0] + (spans[..., 1] > spans[..., 0])], -1)
        attended, entities = text.self_attention(x.text, x.text_mask), side.self_attention(x.side, x.side_mask).state
        extra = spread(side.block.intermediate.dense(entities), span_mask(starts, x.text.shape[1]))
        asked = (gather_positions(part, position_ids) for part in (attended.state, extra))
        states = text.feed_forward(*asked)
        if not last:
            hidden = text.hidden_units(first_states(attended.state, spans), first_states(extra, spans))
            entities = side.block.output(hidden, entities)
        return replace(
            x,
            text=states,
            text_mask=gather_mask(x.text_mask, position_ids),
            side=entities,
            mentions=first_states(states, spans) if position_ids is None else None,
        )

    def unused_modules(self, side: TextLayer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """Modules of the last layer that reach no text state: the entities' output."""
        return [side.block.output] if last and SIDE not in outputs else []
