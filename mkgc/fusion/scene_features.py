"""BERT+SG: the features of an image's scene graph beside the states of the words."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mkgc.batch import Text
from mkgc.encoders.base import Stream
from mkgc.fusion.sight import Sight
from mkgc.nn.layers import Layer, TextLayer
from mkgc.nn.streams import Streams


class ObjectEmbedding(nn.Module):
    """What is known of each object as one vector: how it looks, what it is called, and where it lies."""

    def __init__(self, visual: int, width: int) -> None:
        super().__init__()
        self.visual, self.name = nn.Linear(visual, width), nn.Linear(width, width, bias=False)
        self.box, self.norm = nn.Linear(4, width, bias=False), nn.LayerNorm(width)

    def forward(self, sight: Sight) -> Float[Tensor, "B K D"]:
        return self.norm(self.visual(sight.visual) + self.name(sight.names) + self.box(sight.boxes))


class SceneFeatures(nn.Module):
    """Each word's state beside one vector of the scene graph: the mean of its objects, and that of its triples.

    A triple is relu(W [subject; predicate; object]); objects are those of :class:`ObjectEmbedding`. Where there is
    nothing, the vector is zero.

    Source: BERT+SG, the baseline of Zheng et al. (ICME 2021), MNRE: A Challenge Multimodal Dataset for Neural Relation
    Extraction with Visual Evidence in Social Media Posts, section 5, and of table 4 of MKGformer: BERT's states of both
    mentions, concatenated with features of a scene graph. The paper takes the features of the detector that made its
    scene graphs; here they are learned of the graph itself and of the vision encoder's patches inside each box.
    """

    def __init__(self, text: TextLayer, side: Layer) -> None:
        super().__init__()
        width = text.width
        self.width = 3 * width
        self.objects = ObjectEmbedding(side.width, width)
        self.predicate = nn.Linear(width, width)
        self.triple = nn.Linear(3 * width, width)

    def forward(self, text: Text, words: Stream, sight: Sight) -> Streams:
        """The width is three times the text's."""
        objects = self.objects(sight)
        triples = self.triples(objects, sight)
        scene = torch.cat([_mean(torch.relu(objects), sight.present), _mean(triples, sight.related)], -1)
        beside = scene[:, None].expand(-1, words.states.shape[1], -1)
        return Streams(torch.cat([words.states, beside], -1), words.mask, objects, sight.present)

    def triples(self, objects: Float[Tensor, "B K D"], sight: Sight) -> Float[Tensor, "B R D"]:
        """A vector of each relation."""
        rows = torch.arange(len(objects), device=objects.device)[:, None]
        subject, other = (objects[rows, sight.relations[..., i]] for i in (0, 1))
        return torch.relu(self.triple(torch.cat([subject, self.predicate(sight.predicates), other], -1)))


def _mean(states: Float[Tensor, "B N D"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B D"]:
    """The mean of those that are there; zero where none is."""
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
