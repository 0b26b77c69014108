"""Foreign state dictionaries become ours: strictly, with every tensor accounted for, and without running code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mkgc.app.sealed import check_sums
from mkgc.errors import CheckpointError

RENAMED = (
    (r"^text_embeddings\.word_embeddings\.weight$", "text.embeddings.word_embeddings.weight"),
    (r"^text_embeddings\.", "text.embeddings."),
    (r"^vision_embeddings\.class_embedding$", "side.class_embedding"),
    (r"^vision_embeddings\.patch_embedding\.", "side.patches."),
    (r"^vision_embeddings\.aux_position_embedding\.", "side.positions.crops."),
    (r"^vision_embeddings\.rcnn_position_embedding\.", "side.positions.objects."),
    (r"^vision_pre_layrnorm\.", "side.norm."),
    (r"^encoder\.text_layer\.(\d+)\.", r"text.layers.\1.block."),
    (r"^encoder\.vision_layers\.(\d+)\.layer_norm([12])\.", r"side.layers.\1.block.norm\2."),
    (r"^encoder\.vision_layers\.(\d+)\.self_attn\.qkv\.", r"side.layers.\1.block.attn.qkv."),
    (r"^encoder\.vision_layers\.(\d+)\.self_attn\.out_proj\.", r"side.layers.\1.block.attn.proj."),
    (r"^encoder\.vision_layers\.(\d+)\.mlp\.", r"side.layers.\1.block.mlp."),
)
"""The released MKGformer's names, without the prefix of the task, and ours in a FusionEncoder."""

UNUSED = {
    r"text_embeddings\.position_ids": "a buffer that counts",
    r"vision_embeddings\.(aux_|rcnn_)?position_ids": "buffers that count",
    r"text_pooler\.dense\.(weight|bias)": "no head reads it",
    r"vision_post_layernorm\.(weight|bias)": "it stands behind the last layer, which nothing reads",
    r"vision_embeddings\.position_embedding\.weight": "the whole image has no position anywhere",
}
"""Whole names of what the released code has and no output depends on."""

UNPOSITIONED = {
    r"vision_embeddings\.class_embedding": "link prediction does not add it",
    r"vision_embeddings\.(aux|rcnn)_position_embedding\.weight": "nor these",
}

PROJECTION = r"encoder\.text_layer\.(\d+)\.intermediate\.fusion_dense\.(weight|bias)"
"""W_3, which is in every text layer and called in the fused ones."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors``, ``.pth``, ``.bin`` or ``.ckpt`` file, by name; nothing in it is executed.

    A ``state_dict`` inside is opened, and ``module.`` in front of all names, which data parallelism leaves, removed.

    Raises:
        CheckpointError: There is no such file, or it is damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise CheckpointError(f"no file of weights at '{path}'")
    try:
        if path.suffix == ".safetensors":
            contents: Any = load_file(path)
        else:
            check_sums(path)
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make both raise nearly anything
        raise CheckpointError(f"'{path}' is damaged, or holds more than tensors and plain values") from error
    contents = contents.get("state_dict", contents) if isinstance(contents, Mapping) else {}
    contents = contents if isinstance(contents, Mapping) else {}
    tensors = {str(k): v for k, v in contents.items() if isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(f"'{path}' holds no state dictionary")
    return unwrapped(tensors, "module.")


def unwrapped(state: Mapping[str, Tensor], wrapper: str) -> dict[str, Tensor]:
    """The tensors without what all their names begin with, if all do."""
    all_do = all(name.startswith(wrapper) for name in state)
    return without_prefix(state, wrapper) if all_do else dict(state)


def without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, with it removed."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def joined_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The vision layers' query, key and value projections as one, as timm has them; parts of one stay as they are."""
    out = dict(state)
    for name in state:
        if match := re.fullmatch(r"(encoder\.vision_layers\.\d+\.self_attn\.)q_proj\.(weight|bias)", name):
            start, kind = match.groups()
            names = [f"{start}{x}_proj.{kind}" for x in "qkv"]
            if len({state[part].shape if part in state else None for part in names}) == 1 and state[name].ndim:
                out[f"{start}qkv.{kind}"] = torch.cat([out.pop(part) for part in names])
    return out


def released_names(
    state: Mapping[str, Tensor], depth: int, fused: int, unpositioned: bool = False
) -> dict[str, Tensor]:
    """Tensors of the released backbone under our names; those that no output depends on are left out.

    ``unpositioned`` is link prediction's: its image tokens have neither class embedding nor positions. A name that is
    not of the released code stays as it is, for :func:`load_strictly` to list.

    Raises:
        CheckpointError: Two names mean the same.
    """
    unused = UNUSED | (UNPOSITIONED if unpositioned else {})
    out = {}
    for name, value in joined_attention(state).items():
        if any(re.fullmatch(pattern, name) for pattern in unused):
            continue
        if match := re.fullmatch(PROJECTION, name):
            layer = int(match[1]) - (depth - fused)
            if layer >= 0:
                out[f"fusions.{layer}.project.{match[2]}"] = value
            continue
        ours = _renamed(name)
        if ours in out:
            raise CheckpointError(f"the weights have '{name}' twice, once under another name")
        out[ours] = value
    return out


def _renamed(name: str) -> str:
    for pattern, ours in RENAMED:
        if re.match(pattern, name):
            return re.sub(pattern, ours, name)
    return name


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Loads all tensors into the module and leaves none of its own unfilled.

    Raises:
        CheckpointError: Something is missing, left over, or of another shape; all of it is listed.
    """
    own = module.state_dict()
    problems = [f"missing {name}" for name in own if name not in state]
    problems += [f"left over {name}" for name in state if name not in own]
    problems += [
        f"{name} is {list(state[name].shape)} instead of {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError(f"{what} does not fit: " + "; ".join(problems))
    module.load_state_dict(dict(state))
