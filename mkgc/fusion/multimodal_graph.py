"""UMGF's graph of words and visual objects: self-attention within each kind, gated aggregation between both."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.errors import ConfigError
from mkgc.fusion.coattention import CrossAttention
from mkgc.fusion.sight import Sight
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.masks import present
from mkgc.nn.streams import Streams


class GatedAggregation(nn.Module):
    """For each node, the sum of all nodes of the other kind, each behind a gate σ(W [node; other])."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.node, self.other = nn.Linear(width, width), nn.Linear(width, width, bias=False)

    def forward(
        self, nodes: Float[Tensor, "B N D"], others: Float[Tensor, "B M D"], mask: Bool[Tensor, "B M"]
    ) -> Float[Tensor, "B N D"]:
        gates = torch.sigmoid(self.node(nodes)[:, :, None] + self.other(others)[:, None])
        return torch.einsum("bnmd,bmd->bnd", gates, others * mask[..., None])


class IntraModal(nn.Module):
    """Self-attention among the nodes of one kind; a norm stands behind the residual."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = CrossAttention(width, width, width, heads, dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        return self.norm(x + self.attention(x, x, mask))


class InterModal(nn.Module):
    """Aggregation of the other kind's nodes, then a feed-forward network; a norm stands behind each residual."""

    def __init__(self, width: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.aggregation = GatedAggregation(width)
        self.network = nn.Sequential(nn.Linear(width, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, width))
        self.dropout = nn.Dropout(dropout)
        self.aggregated, self.fed = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(
        self, x: Float[Tensor, "B N D"], others: Float[Tensor, "B M D"], mask: Bool[Tensor, "B M"]
    ) -> Float[Tensor, "B N D"]:
        x = self.aggregated(x + self.dropout(self.aggregation(x, others, mask)))
        return self.fed(x + self.dropout(self.network(x)))


class GraphFusionLayer(nn.Module):
    """Self-attention among words and among objects, then the gated sum over the other kind, then a network each.

    Of the ``last`` layer nothing reads the objects, so that they aggregate nothing.
    """

    def __init__(self, width: int, hidden_dim: int, heads: int, dropout: float, last: bool = False) -> None:
        super().__init__()
        self.among_words, self.among_objects = (IntraModal(width, heads, dropout) for _ in range(2))
        self.to_words = InterModal(width, hidden_dim, dropout)
        self.to_objects = None if last else InterModal(width, hidden_dim, dropout)

    def forward(
        self,
        words: Float[Tensor, "B T D"],
        objects: Float[Tensor, "B K D"],
        word_mask: Bool[Tensor, "B T"],
        object_mask: Bool[Tensor, "B K"],
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B K D"]]:
        """Both kinds of nodes, after edges within and between them."""
        words, objects = self.among_words(words, word_mask), self.among_objects(objects, object_mask)
        aware = self.to_words(words, objects, object_mask)
        return aware, objects if self.to_objects is None else self.to_objects(objects, words, word_mask)


class MultimodalGraph(nn.Module):
    """BERT's states of the words, beside those of a graph in which every word is linked to every object.

    Source: UMGF (Zhang et al., AAAI 2021), Multi-modal Graph Fusion for Named Entity Recognition with Targeted Visual
    Guidance, sections "Unified Multi-modal Graph" and "Multi-modal Graph Fusion", with norms and the concatenation at
    the end as in its released code (TransformersWsz/UMGF; six layers there). Its objects are the four crops that a
    visual grounding toolkit finds; here they are the crops and the boxes of scene graphs that the data give, and the
    image itself. Their features are the vision encoder's instead of ResNet-152's.

    Raises:
        ConfigError: There is no layer.
    """

    def __init__(self, text: TextLayer, side: Layer, layers: int = 2) -> None:
        super().__init__()
        if layers < 1:
            raise ConfigError(f"backbone.fusion.layers={layers} must be at least 1")
        width, dropout = text.width, text.block.output.dropout.p
        self.width = 2 * width
        self.from_text = nn.Linear(width, width)
        self.from_side = nn.Sequential(
            nn.Linear(side.width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()
        )
        self.layers = nn.ModuleList(
            GraphFusionLayer(width, text.hidden_dim, text.heads, dropout, last=number == layers)
            for number in range(1, layers + 1)
        )

    def forward(self, text: Text, words: Stream, sight: Sight) -> Streams:
        """The width is twice the text's."""
        nodes, objects, mask = self.from_text(words.states), self.from_side(sight.visual), present(words.mask)
        for layer in self.layers:
            nodes, objects = layer(nodes, objects, mask, sight.present)
        return Streams(torch.cat([words.states, nodes], -1), words.mask, objects, sight.present)
