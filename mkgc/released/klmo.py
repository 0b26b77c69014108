"""The layer of KLMo's knowledge aggregator as its authors released it, where that differs from their paper."""

from __future__ import annotations

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mkgc.fusion.knowledge import Aggregator
from mkgc.nn.attention import Attention, join_heads, split_heads
from mkgc.nn.layers import TextLayer, draw_as_bert
from mkgc.nn.span_pooling import first_states, span_mask
from mkgc.nn.streams import MENTIONS, SIDE, KeyValue


class ReleasedAggregator(Aggregator):
    """Tokens read the mean of their mention, mentions read the graph, and nothing reads what they have found there.

    Differences from :class:`mkgc.fusion.knowledge.KnowledgeAggregator`, all of the released code: a mention is the
    plain mean of its tokens; the text's feed-forward network reads that mean, not what the mention has read of the
    graph: h_j = act(W x_j + b + W s_j + b), where s_j is the token itself outside of mentions. So **the graph reaches
    no state of the text**, and no classifier. What mentions read of it (``mentions``) is for entity linking alone, and
    only that of the last layer is used; keys and values of nodes pass a projection to the text's width first.

    A token of several mentions has the mean of the last of them.

    Source: lei-nlp/KLMo, knowledge_bert/ori_modeling_addRelation_T2.py.
    """

    def __init__(self, text: TextLayer, side: TextLayer) -> None:
        super().__init__()
        width, block = text.width, text.block
        self.heads = text.heads
        self.attention = Attention(block.attention.self.dropout.p)
        self.widen = nn.Linear(side.width, width)
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(block.output.dropout.p)
        self.norm = nn.LayerNorm(width, eps=block.output.LayerNorm.eps)
        self.apply(draw_as_bert)

    def inform(
        self,
        states: Float[Tensor, "B T D"],
        spans: Int[Tensor, "B M 2"],
        nodes: Float[Tensor, "B G W"],
        mask: Bool[Tensor, "B G"],
        text: TextLayer,
    ) -> tuple[Float[Tensor, "B M D"], Float[Tensor, "B T H"]]:
        pooled = pooled_spans(states, spans)
        return self.read(first_states(pooled, spans), nodes, mask), text.block.intermediate.dense(pooled)

    def read(
        self, pooled: Float[Tensor, "B Q D"], nodes: Float[Tensor, "B G W"], mask: Bool[Tensor, "B G"]
    ) -> Float[Tensor, "B Q D"]:
        """Cross attention: states after they have attended to all nodes."""
        widened = self.widen(nodes)
        key, value = (split_heads(part(widened), self.heads) for part in (self.key, self.value))
        context = self.attention(split_heads(self.query(pooled), self.heads), KeyValue(key, value, mask))
        return self.norm(self.dropout(self.dense(join_heads(context))) + pooled)

    def unused_modules(self, side: TextLayer, last: bool, outputs: Collection[str]) -> list[nn.Module]:
        """Modules that reach no output: of the text alone, all of them, and the graph's."""
        if not {SIDE, MENTIONS} & set(outputs):
            return [self, side]
        unread = [] if last and MENTIONS in outputs else [self]
        return [*unread, *(side.feed_forward_modules() if last and SIDE not in outputs else [])]


def pooled_spans(states: Float[Tensor, "B T D"], spans: Int[Tensor, "B M 2"]) -> Float[Tensor, "B T D"]:
    """The states, where a span lies its mean instead; of spans that overlap, the last one's."""
    inside = span_mask(spans, states.shape[1])
    counts = inside.sum(-1, keepdim=True).clamp(min=1)
    means = inside.to(states.dtype) @ states / counts.to(states.dtype)
    later = inside.flip(1).cumsum(1).flip(1)  # how many spans, from this one on, a token lies in
    owner = (inside & (later == 1)).to(states.dtype).transpose(1, 2)
    return torch.where(inside.any(1)[..., None], owner @ means, states)
