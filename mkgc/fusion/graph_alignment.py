"""MEGA: words and objects are aligned by the structure of their graphs and by attention."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.fusion.scene_features import ObjectEmbedding
from mkgc.fusion.sight import Sight
from mkgc.nn.attention import Attention
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.masks import present
from mkgc.nn.streams import KeyValue, Streams

BUCKETS = 8
"""Degrees are counted by their binary logarithm; those of 128 and more together."""

DISCOUNT = 0.01
"""How much less the neighbours of a hop count than those of the hop before, as in the released code."""


def text_graph(text: Text, mask: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """The edges among tokens: a parse's, or, where there is none, those between neighbours in the sentence."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    governors = positions - 1 if text.governors is None else text.governors
    edges = governors[..., None] == positions
    pair = mask[:, :, None] & mask[:, None]
    return (edges | edges.transpose(-1, -2)) & pair


def scene_graph(sight: Sight) -> Bool[Tensor, "B K K"]:
    """The edges among objects: the relations of the scene graph, whichever way they go."""
    count = sight.present.shape[1]
    numbers = torch.arange(count, device=sight.present.device)
    subject, other = ((sight.relations[..., i, None] == numbers) & sight.related[..., None] for i in (0, 1))
    edges = (subject.float().transpose(1, 2) @ other.float()) > 0
    return (edges | edges.transpose(1, 2)) & ~torch.eye(count, dtype=torch.bool, device=numbers.device)


def structure(edges: Bool[Tensor, "B N N"]) -> Float[Tensor, "B N 8"]:
    """Features of each node: how many nodes of which degree lie 0, 1 and 2 hops away, the farther the less they count.

    Source: xNetMF (Heimann et al., 2018), section 3.1, with two hops and logarithmic buckets, as MEGA takes it.
    """
    degrees = edges.sum(-1)
    bucket = degrees.clamp(min=1).float().log2().floor().long().clamp(max=BUCKETS - 1)
    counted = nn.functional.one_hot(bucket, BUCKETS).float() * (degrees > 0)[..., None]
    itself = torch.eye(edges.shape[-1], dtype=torch.bool, device=edges.device)
    two = ((edges.float() @ edges.float()) > 0) & ~edges & ~itself
    return counted + DISCOUNT * (edges.float() @ counted) + DISCOUNT**2 * (two.float() @ counted)


def structural_alignment(
    words: Float[Tensor, "B T 8"], objects: Float[Tensor, "B K 8"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B K T"]:
    """The similarity exp(-||f_k - f_t||) of each object and word, as shares of an object's sum over the words."""
    similar = torch.exp(-torch.cdist(objects, words)) * mask[:, None]
    return similar / similar.sum(-1, keepdim=True).clamp(min=1e-9)


class GraphAlignment(nn.Module):
    """Each word's state beside one vector of what the image's objects are aligned with in the text.

    For each object o: σ(β_o V), β the attention of its features over the words (semantic alignment), beside α_o H, the
    words' states by the similarity of both graphs' structure (structural alignment); W of both, summed over objects.

    Source: MEGA (Zheng et al., ACM MM 2021), Multimodal Relation Extraction with Efficient Graph Alignment, sections on
    structural and semantic alignment; their joining as in its released code (thecharm/Mega, BERTEntityEncoder). What
    differs: the text's graph is a dependency tree where the data have one, and else a chain of neighbours, as no parser
    is at hand; similarities are exact and of all pairs, divided by their sum, where the code approximates them by
    landmarks and keeps the five best of each node; features of objects are :class:`ObjectEmbedding`'s. The last linear
    layer is the task's head.
    """

    def __init__(self, text: TextLayer, side: Layer) -> None:
        super().__init__()
        width = text.width
        self.width = 2 * width
        self.objects = ObjectEmbedding(side.width, width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.hidden = nn.Linear(width, width)
        self.attention = Attention()
        self.join = nn.Linear(2 * width, width)
        for part in (self.query, self.key, self.value, self.hidden, self.join):
            nn.init.xavier_uniform_(part.weight)  # torch's own start is too small for objects to choose among words

    def forward(self, text: Text, words: Stream, sight: Sight) -> Streams:
        """The width is twice the text's."""
        mask = present(words.mask)
        objects = self.objects(sight)
        structural = self.structural(text, sight, mask).to(words.states.dtype)
        aligned = self.aligned(objects, words.states, mask, structural)
        summed = (aligned * sight.present[..., None]).sum(1, keepdim=True).expand_as(words.states)
        return Streams(torch.cat([words.states, summed], -1), words.mask, objects, sight.present)

    def structural(self, text: Text, sight: Sight, mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B K T"]:
        """The structural alignment of each object with the words."""
        return structural_alignment(structure(text_graph(text, mask)), structure(scene_graph(sight)), mask)

    def aligned(
        self,
        objects: Float[Tensor, "B K D"],
        words: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "B T"],
        structural: Float[Tensor, "B K T"],
    ) -> Float[Tensor, "B K D"]:
        """What each object is aligned with, in meaning and in structure."""
        hidden = self.hidden(words)
        key_value = KeyValue(self.key(hidden)[:, None], self.value(hidden)[:, None], mask)
        semantic = torch.sigmoid(self.attention(self.query(objects)[:, None], key_value)[:, 0])
        return self.join(torch.cat([semantic, structural @ hidden], -1))
