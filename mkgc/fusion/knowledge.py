"""The layer of KLMo's knowledge aggregator: spans of the text read the graph, and tokens read their spans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import replace

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.fusion.coattention import CrossAttention
from mkgc.nn.attention import gather_mask, gather_positions
from mkgc.nn.layers import TextLayer, draw_as_bert
from mkgc.nn.masks import present
from mkgc.nn.span_pooling import SpanPooling, span_mask, spread
from mkgc.nn.streams import SIDE, Streams, mentions_of


class Aggregator(nn.Module, ABC):
    """Joins one text layer and one layer of a graph's nodes, by what mentions in the text read of both.

    Tokens attend to tokens, and nodes to the nodes that they see, as both layers do it themselves; the text's
    feed-forward network then reads something more of each token.
    """

    feeds_text = True
    uses_previous_kv = False

    @abstractmethod
    def inform(
        self,
        states: Float[Tensor, "B T D"],
        spans: Int[Tensor, "B M 2"],
        nodes: Float[Tensor, "B G W"],
        mask: Bool[Tensor, "B G"],
        text: TextLayer,
    ) -> tuple[Float[Tensor, "B M D"], Float[Tensor, "B T H"]]:
        """The states of mentions that have read the nodes, and what is added to each token's hidden units."""

    def forward(
        self, x: Streams, text: TextLayer, side: TextLayer, last: bool, position_ids: Int[Tensor, " B"] | None = None
    ) -> Streams:
        """One layer; the ``last`` one leaves nodes as attention made them, since nothing reads it.

        With ``position_ids``, only that position of each text goes through the feed-forward network.
        """
        attended = text.self_attention(x.text, x.text_mask)
        seen = side.self_attention(x.side, x.side_mask)
        mentions, extra = self.inform(attended.state, mentions_of(x), seen.state, present(x.side_mask), text)
        states, extra = (gather_positions(part, position_ids) for part in (attended.state, extra))
        return replace(
            x,
            text=text.feed_forward(states, extra),
            text_mask=gather_mask(x.text_mask, position_ids),
            side=seen.state if last else side.feed_forward(seen.state),
            mentions=mentions,
        )


class KnowledgeAggregator(Aggregator):
    """Joins one text layer and one layer of the graph's nodes.

    Tokens attend to tokens, and nodes to the nodes that they see, as both layers do it themselves. Each mention is
    pooled from its tokens (:class:`mkgc.nn.span_pooling.SpanPooling`: S), and attends to all nodes of its text:
    z = LN(s + attention(s, nodes)), with the text's width and heads. The feed-forward network of the text then reads,
    for each token, the z of the mentions that it lies in: h_j = act(W_t x_j + W_z z + b), x_j' = LN(x_j + W_o h_j + c);
    outside of mentions it is the text layer's own. This is the one way from the graph to the text.

    Where the paper leaves a choice: a token of several mentions reads the mean of their z; residuals and norms stand
    where BERT, and the released code, have them. Nodes go through their own feed-forward network and read no text, as
    in the released code: a node that had read its own mention would tell that mention which entity it is, which entity
    linking is to learn.

    Source: KLMo (He et al., 2021), section 3, the knowledge aggregator; the fusion is its equation 1.
    """

    def __init__(self, text: TextLayer, side: TextLayer) -> None:
        super().__init__()
        dropout = text.block.output.dropout.p
        self.pooling = SpanPooling(text.width)
        self.attention = CrossAttention(text.width, side.width, text.width, text.heads, dropout)
        self.norm = nn.LayerNorm(text.width, eps=text.block.output.LayerNorm.eps)
        self.project = nn.Linear(text.width, text.hidden_dim, bias=False)
        for module in (self.attention, self.project):
            module.apply(draw_as_bert)

    def inform(
        self,
        states: Float[Tensor, "B T D"],
        spans: Int[Tensor, "B M 2"],
        nodes: Float[Tensor, "B G W"],
        mask: Bool[Tensor, "B G"],
        text: TextLayer,
    ) -> tuple[Float[Tensor, "B M D"], Float[Tensor, "B T H"]]:
        inside = span_mask(spans, states.shape[1])
        mentions = self.read(self.pooling(states, inside), nodes, mask)
        return mentions, spread(self.project(mentions), inside)

    def read(
        self, pooled: Float[Tensor, "B M D"], nodes: Float[Tensor, "B G W"], mask: Bool[Tensor, "B G"]
    ) -> Float[Tensor, "B M D"]:
        """Cross-KG attention: the mentions' states after they have attended to all nodes."""
        return self.norm(pooled + self.attention(pooled, nodes, mask))

    def unused_modules(self, side: TextLayer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """Modules of the last layer that reach no text state: the nodes' feed-forward network."""
        return side.feed_forward_modules() if last and SIDE not in outputs else []
