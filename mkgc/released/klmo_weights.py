"""The released KLMo's state dictionary becomes ours: names, and the sizes that shapes tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mkgc.errors import CheckpointError

KG_HEADS = 4
"""Of the graph's attention, in the released code a constant like its width of 100."""

RENAMED = (
    (r"^bert\.embeddings\.word_embeddings\.", "backbone.text.embeddings.word_embeddings.words."),
    (r"^bert\.embeddings\.", "backbone.text.embeddings."),
    (r"^cls\.predictions\.transform\.dense\.", "masked_lm.dense."),
    (r"^cls\.predictions\.transform\.LayerNorm\.", "masked_lm.norm."),
    (r"^cls\.predictions\.bias$", "masked_lm.bias"),
    (r"^cls\.ent_predictions\.mlp_layer_norm\.linear2\.", "linking.dense."),
    (r"^cls\.ent_predictions\.mlp_layer_norm\.layer_norm2\.", "linking.norm."),
)
"""Names outside of layers: the backbone's, and those of the two heads of pretraining."""

SIDE = (
    (r"^attention\.self_er\.", "attention.self."),
    (r"^attention\.output_er\.", "attention.output."),
    (r"^(intermediate|output)\.dense_ent\.", r"\1.dense."),
    (r"^output\.LayerNorm_ent\.", "output.LayerNorm."),
)
"""Names of the graph's part of a layer, which is a layer of its own here."""

READING = (
    (r"^span_attention\.attention\.dense_ent\.", "widen."),
    (r"^span_attention\.attention\.(query|key|value)\.", r"\1."),
    (r"^span_attention\.output\.dense\.", "dense."),
    (r"^span_attention\.output\.LayerNorm\.", "norm."),
)
"""Names of what mentions read the graph with."""

UNUSED = {
    r"bert\.pooler\.dense\.(weight|bias)": "no head of pretraining reads it",
    r"bert\.embeddings\.position_ids": "a buffer that counts",
    r"cls\.predictions\.decoder\.weight": "the word embedding under another name",
}
"""Whole names of what the released code has and no output depends on."""

LAYER = r"^bert\.encoder\.layer\.(\d+)\.(.+)$"


def klmo_names(state: Mapping[str, Tensor], fused: int, depth: int | None = None) -> dict[str, Tensor]:
    """Tensors of the released model under our names: ``backbone``, and its heads ``masked_lm`` and ``linking``.

    The vectors of entities and relations are no part of it. ``depth`` is the number of layers, which whole state
    dictionaries tell. A name that is not of the released code stays as it is, for
    :func:`mkgc.released.weights.load_strictly` to list.
    """
    first = (depth or _depth(state)) - fused
    kept = {name: value for name, value in state.items() if not any(re.fullmatch(one, name) for one in UNUSED)}
    return {_renamed(name, first): value for name, value in kept.items()}


def _renamed(name: str, first: int) -> str:
    if (match := re.match(LAYER, name)) is None:
        return _by(RENAMED, name) or name
    layer, part = int(match[1]), match[2]
    if layer >= first and (found := _by(SIDE, part)):
        return f"backbone.side.layers.{layer - first}.block.{found}"
    if layer >= first and (found := _by(READING, part)):
        return f"backbone.fusions.{layer - first}.{found}"
    return f"backbone.text.layers.{layer}.block.{part}"


def _by(renamed: tuple[tuple[str, str], ...], name: str) -> str | None:
    return next((re.sub(pattern, ours, name) for pattern, ours in renamed if re.match(pattern, name)), None)


def klmo_sizes(state: Mapping[str, Tensor], heads: int) -> dict[str, Any]:
    """The sizes of both encoders, and how many layers are fused, from names and shapes.

    Raises:
        CheckpointError: Tensors that tell are missing, or so many heads do not divide the width.
    """
    try:
        words, width = state["bert.embeddings.word_embeddings.weight"].shape
        positions, kinds = (
            len(state[f"bert.embeddings.{name}_embeddings.weight"]) for name in ("position", "token_type")
        )
        hidden = state["bert.encoder.layer.0.intermediate.dense.weight"].shape[0]
        fused = [name for name in state if name.endswith("attention.self_er.query.weight")]
        side_width = state[fused[0]].shape[0]
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"the weights lack {error}, or it has no such shape: they are no whole state dictionary of KLMo's "
            "pretraining model"
        ) from None
    if width % heads or side_width % KG_HEADS:
        raise CheckpointError(
            f"heads={heads} does not divide the weights' width of {width}, or {KG_HEADS} {side_width}"
        )
    text = {
        "model_type": "bert",
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": _depth(state),
        "num_attention_heads": heads,
        "intermediate_size": hidden,
        "max_position_embeddings": positions,
        "type_vocab_size": kinds,
    }
    side = {"width": side_width, "depth": len(fused), "heads": KG_HEADS, "hidden_dim": hidden}
    return {"text": text, "side": side, "fused": len(fused)}


def _depth(state: Mapping[str, Tensor]) -> int:
    return 1 + max((int(match[1]) for name in state if (match := re.match(LAYER, name))), default=-1)
