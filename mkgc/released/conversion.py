"""The released MKGformer's weights become ours: what all its tasks share, and what a task says of its own head."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from mkgc.errors import CheckpointError, ConfigError
from mkgc.released.weights import released_names, without_prefix

FUSED = 4
"""The released code fuses its last four layers, its paper says three."""

WORDS = "backbone.text.embeddings.word_embeddings"

Orders = Mapping[str, Sequence[int]]
"""Which released row each of our rows of a table of new tokens is; those of tables that are not named are the same."""


class ReleasedTask:
    """The part of the released weights that is a task's own.

    A tensor called ``mark`` is in those of no other task. The backbone's begin with ``prefix``; ``head`` are the head's
    names there and here. With ``whole_images`` the whole image is read, too, and image tokens have neither class
    embedding nor positions.
    """

    system: ClassVar[str] = "MKGformer"
    mark: ClassVar[str]
    prefix: ClassVar[str] = "model."
    head: ClassVar[Mapping[str, str]]
    whole_images: ClassVar[bool] = False

    def arranged(self, state: Mapping[str, Tensor], model: Any, root: Path) -> tuple[Mapping[str, Tensor], Orders]:
        """The weights with the head's rows in the order of our ``model``, whose data lie at ``root``.

        Raises:
            MkgcError: They are of other labels or names.
        """
        return state, {}

    def renamed(
        self, state: Mapping[str, Tensor], new_tokens: Mapping[str, int], orders: Orders | None = None
    ) -> dict[str, Tensor]:
        """All tensors under our names; the last rows of the word embeddings become the tables of new tokens.

        ``new_tokens`` are the processor's, in the order of their ids. What is of no known name stays, for
        :func:`load_strictly` to list.

        Raises:
            CheckpointError: Tensors that are one in the released code are not.
        """
        orders, own = orders or {}, without_prefix(state, self.prefix)
        renamed = released_names(own, _depth(own, "text_layer"), FUSED, unpositioned=self.whole_images)
        out = {f"backbone.{name}": value for name, value in renamed.items()}
        words = out.pop(f"{WORDS}.weight")
        start = words.shape[0] - sum(new_tokens.values())
        out[f"{WORDS}.words.weight" if new_tokens else f"{WORDS}.weight"] = words[:start]
        parts = dict(zip(new_tokens, words[start:].split([*new_tokens.values()]), strict=True))
        for name, rows in parts.items():
            out[f"{WORDS}.new_tokens.{name}.weight"] = rows[list(orders[name])] if name in orders else rows
        heads = {name: value for name, value in state.items() if not name.startswith(self.prefix)}
        return out | {self.head.get(name, name): value for name, value in heads.items()}


def sizes(state: Mapping[str, Tensor], task: ReleasedTask, heads: int) -> dict[str, Any]:
    """The backbone's configuration, from the shapes.

    Raises:
        CheckpointError: Tensors that tell are missing, or of no such shape.
        ConfigError: So many heads do not divide the width.
    """
    backbone = without_prefix(state, task.prefix)
    try:
        text, side = _text_sizes(backbone, heads), _side_sizes(backbone, heads)
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"the weights lack {error}, or it has no such shape: they are no whole state dictionary of MKGformer"
        ) from None
    for width in (text["hidden_size"], side["width"]):
        if not isinstance(heads, int) or heads < 1 or width % heads:
            raise ConfigError(f"heads={heads} does not divide the weights' width of {width}")
    side |= {"class_token": not task.whole_images, "positions": not task.whole_images}
    side["images"] = {**({"image": 224} if task.whole_images else {}), "crops": 128, "objects": 64}
    return {"text": text, "side": side}


def _text_sizes(backbone: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    words = backbone["text_embeddings.word_embeddings.weight"]
    return {
        "model_type": "bert",
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": _depth(backbone, "text_layer"),
        "num_attention_heads": heads,
        "intermediate_size": backbone["encoder.text_layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": backbone["text_embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": backbone["text_embeddings.token_type_embeddings.weight"].shape[0],
    }


def _side_sizes(backbone: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    patches = backbone["vision_embeddings.patch_embedding.weight"]
    return {
        "width": patches.shape[0],
        "depth": _depth(backbone, "vision_layers"),
        "heads": heads,
        "hidden_dim": backbone["encoder.vision_layers.0.mlp.fc1.weight"].shape[0],
        "patch": patches.shape[3],
    }


def _depth(state: Mapping[str, Tensor], layers: str) -> int:
    found = (re.match(rf"encoder\.{layers}\.(\d+)\.", name) for name in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
