"""The released KLMo's pretraining model becomes ours: its backbone's configuration, and its tensors by our names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from mkgc.released.klmo_weights import klmo_names

WORDS = "backbone.text.embeddings.word_embeddings.words.weight"
NODES = ("backbone.side.entities.weight", "backbone.side.relations.weight")
"""Vectors of nodes, which the released weights do not hold: they lie in files of their own."""


class ReleasedPretraining:
    """What the tensors of the released pretraining model are called in a task that has both of its heads.

    ``words`` is the name of the head of masked words, ``links`` that of entity linking.
    """

    system: ClassVar[str] = "KLMo"
    mark: ClassVar[str] = "cls.ent_predictions.mlp_layer_norm.linear2.weight"

    def __init__(self, words: str, links: str) -> None:
        self.heads = {"masked_lm": words, "linking": links}

    def renamed(self, state: Mapping[str, Tensor], fused: int, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All tensors under the task's names; vectors of nodes are its ``own``.

        What is of no known name stays, for :func:`mkgc.released.weights.load_strictly` to list.
        """
        out = {self._placed(name): value for name, value in klmo_names(state, fused).items()}
        if WORDS in out:
            out[f"{self.heads['masked_lm']}.table.words.weight"] = out[WORDS]  # the head compares with the same rows
        return out | {name: own[name] for name in NODES}

    def _placed(self, name: str) -> str:
        head, _, rest = name.partition(".")
        return f"{self.heads[head]}.{rest}" if head in self.heads else name


def klmo_backbone(sizes: Mapping[str, Any], vectors: str | None) -> dict[str, Any]:
    """The configuration of a backbone of these sizes (:func:`mkgc.released.klmo_weights.klmo_sizes`).

    ``vectors`` is the file of the nodes' vectors; None draws them.
    """
    side = {"_target_": "mkgc.encoders.knowledge.KnowledgeEncoder", **sizes["side"]}
    return {
        "_target_": "mkgc.models.fusion_encoder.FusionEncoder",
        "inputs": ["text", "knowledge"],
        "text": {"_target_": "mkgc.encoders.text.random_text", "_convert_": "all", "config": sizes["text"]},
        "side": side | {"visible": "all", "learn_vectors": False, "vectors": vectors},
        "fused": sizes["fused"],
        "outputs": ["text", "mentions"],
        "fusion": {"_target_": "mkgc.released.klmo.ReleasedAggregator", "_partial_": True},
    }
