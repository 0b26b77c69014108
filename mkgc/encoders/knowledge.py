"""The encoder of a small graph beside each text: vectors of entities and relations, then graph attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import BertConfig

from mkgc.batch import Images, Knowledge
from mkgc.data.node_vectors import read_node_vectors
from mkgc.encoders.base import Encoder, Stream
from mkgc.errors import ConfigError
from mkgc.nn.layers import TextLayer, draw_as_bert

Visible = Literal["neighbours", "all", "mentioned"]

TARGET = f"{__name__}.KnowledgeEncoder"


class KnowledgeEncoder(Encoder):
    """K-Encoder: a vector for each node, then BERT's layers, in which nodes attend to the nodes that they see.

    Entities and relations are nodes alike, with a table of vectors each; :meth:`add_nodes` says how many there are.
    What a node sees is the graph's visible matrix (``visible="neighbours"``: itself and its neighbours), all nodes of
    its text (``"all"``), or, of the entities that are mentioned, all, while other nodes are left out
    (``"mentioned"``: entities only). Nodes have no positions: their order means nothing.

    ``vectors`` is a file of vectors that the tables begin with, by ids: a checkpoint of ``system=transe``, or
    safetensors (:mod:`mkgc.data.node_vectors`). With ``learn_vectors=false`` they stay as they are.

    Source: KLMo (He et al., 2021), section 3: the knowledge graph's side of the knowledge aggregator. ``hidden_dim`` is
    as wide as the text's in the released code of KLMo and of ERNIE; the papers do not say.

    Raises:
        ConfigError: So many heads do not divide the width.
    """

    layers: Any

    def __init__(
        self,
        width: int = 100,
        depth: int = 6,
        heads: int = 4,
        hidden_dim: int = 3072,
        dropout: float = 0.1,
        visible: Visible = "neighbours",
        learn_vectors: bool = True,
        vectors: str | None = None,
    ) -> None:
        from transformers.models.bert.modeling_bert import BertLayer  # half a second, which other models need not wait

        super().__init__()
        if width % heads:
            raise ConfigError(f"backbone.side.heads={heads} does not divide backbone.side.width={width}")
        self.width, self.visible, self.learn_vectors, self.vectors = width, visible, learn_vectors, vectors
        self.sizes = {"width": width, "depth": depth, "heads": heads, "hidden_dim": hidden_dim, "dropout": dropout}
        config = BertConfig(
            hidden_size=width,
            num_attention_heads=heads,
            intermediate_size=hidden_dim,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        self.layers = nn.ModuleList(TextLayer(BertLayer(config)) for _ in range(depth))
        self.layers.apply(draw_as_bert)
        self.entities, self.relations = _table(0, width, False), _table(0, width, False)

    def add_nodes(self, entities: Sequence[str], relations: Sequence[str]) -> None:
        """Gives each entity and each relation, by their ids, a vector; the node of relation r is ``entities + r``.

        Relations that no layer reads (``visible="mentioned"``) have none.

        Raises:
            MkgcError: The file of vectors cannot be read, or has vectors of another width.
        """
        relations = () if self.visible == "mentioned" else relations
        self.entities = _table(len(entities), self.width, self.learn_vectors)
        self.relations = _table(len(relations), self.width, self.learn_vectors)
        if self.vectors is not None:
            found = read_node_vectors(self.vectors, entities, relations, self.width)
            with torch.no_grad():
                for table, (rows, values) in zip((self.entities, self.relations), found, strict=True):
                    table.weight[rows] = values

    def node_vectors(self, nodes: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape W"]:
        """The vectors of nodes, before any layer."""
        start, relations = self.entities.num_embeddings, self.relations.num_embeddings
        if not relations:
            return self.entities(nodes)
        # A node beyond both tables stays what it is, and the look-up fails.
        entities = self.entities(nodes.clamp(max=start - 1))
        related = self.relations((nodes - start).clamp(min=0))
        return torch.where((nodes < start)[..., None], entities, related)

    def embed(self, x: Knowledge | Sequence[Images]) -> Stream:
        """The input of the first layer; without a graph (an empty sequence), that of one example without nodes."""
        if not isinstance(x, Knowledge):
            nothing = self.entities.weight.new_zeros(1, 0, self.width)
            return Stream(nothing, nothing.new_zeros(1, 0, 0, dtype=torch.bool))
        if self.visible == "mentioned":
            entities = torch.where(x.mentioned, x.nodes[:, : x.spans.shape[1]], 0)
            return Stream(self.node_vectors(entities), x.mentioned)
        return Stream(self.node_vectors(x.nodes), x.adjacency if self.visible == "neighbours" else x.mask)

    def embedding_modules(self) -> list[nn.Module]:
        return [self.entities, self.relations]

    def architecture_config(self) -> dict[str, Any]:
        said = {"visible": self.visible, "learn_vectors": self.learn_vectors}
        return {"_target_": TARGET, **self.sizes, **said}


def check_vectors(backbone: Mapping[str, Any]) -> None:
    """Checks that the file of vectors is there which a backbone's knowledge encoder is to begin with.

    Raises:
        ConfigError: It is not.
    """
    for key, node in backbone.items():
        place = node.get("vectors") if isinstance(node, Mapping) and node.get("_target_") == TARGET else None
        if place is not None and not Path(str(place)).exists():
            raise ConfigError(
                f"backbone.{key}.vectors={place}: there is no such run or file of vectors of entities and relations"
            )


def _table(rows: int, width: int, learned: bool) -> nn.Embedding:
    """Vectors of so many nodes, drawn like the entries of vectors of length 1; none, and nothing to learn, of none."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table.requires_grad_(learned and rows > 0)
