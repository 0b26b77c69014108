"""The head of the released MKGformer's link prediction: BERT's, with entities and relations among the words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mkgc.errors import CheckpointError
from mkgc.released.conversion import WORDS, Orders, ReleasedTask
from tasks.link_prediction.numbering import row_orders

TIED = {
    "cls.predictions.decoder.weight": "unimo.text_embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
"""Second names of one tensor."""


class ReleasedLinkPrediction(ReleasedTask):
    """Its output layer is the word embedding, and its bias that of all words."""

    mark = "cls.predictions.bias"
    prefix = "unimo."
    head = {
        "cls.predictions.transform.dense.weight": "head.dense.weight",
        "cls.predictions.transform.dense.bias": "head.dense.bias",
        "cls.predictions.transform.LayerNorm.weight": "head.norm.weight",
        "cls.predictions.transform.LayerNorm.bias": "head.norm.bias",
    }
    whole_images = True

    def arranged(self, state: Mapping[str, Tensor], model: Any, root: Path) -> tuple[Mapping[str, Tensor], Orders]:
        names = {"entities": model.processor.entities, "relations": model.processor.relations}
        return state, row_orders(root, names)

    def renamed(
        self, state: Mapping[str, Tensor], new_tokens: Mapping[str, int], orders: Orders | None = None
    ) -> dict[str, Tensor]:
        """The same with the entities' part of the tied output layer."""
        out = super().renamed(state, new_tokens, orders)
        _check_tied(state)
        for name in ("cls.predictions.bias", *TIED):
            out.pop(name, None)
        start = len(out[f"{WORDS}.words.weight"])
        bias = state["cls.predictions.bias"][start : start + new_tokens["entities"]]
        out["head.table.weight"] = out[f"{WORDS}.new_tokens.entities.weight"]
        out["head.bias"] = bias[list(orders["entities"])] if orders and "entities" in orders else bias
        return out


def _check_tied(state: Mapping[str, Tensor]) -> None:
    words = state[TIED["cls.predictions.decoder.weight"]]
    if (bias := state["cls.predictions.bias"]).shape != words.shape[:1]:
        raise CheckpointError(f"cls.predictions.bias has the shape {list(bias.shape)}, the words {list(words.shape)}")
    for name, other in TIED.items():
        if name in state and not torch.equal(state[name], state[other]):
            raise CheckpointError(f"'{name}' is not '{other}', which it is in the released code")
