"""Chinese-CLIP's weights under the names of a :class:`mkgc.models.dual_encoder.DualEncoder`, from both public layouts.

``transformers`` has the state of its ChineseCLIPModel; ``cn_clip`` that of its own CLIP, whose vision tower is a
VisionTransformer or CLIP's ResNet, with attention's projections joined where it was trained with FlashAttention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mkgc.errors import CheckpointError

Names = tuple[tuple[str, str], ...]
"""How names begin, or whole names, and ours."""

OF_TRANSFORMERS: Names = (
    (r"text_model\.encoder\.layer\.(\d+)\.", r"text.layers.\1.block."),
    (r"text_model\.embeddings\.", "text.embeddings."),
    (r"vision_model\.embeddings\.class_embedding$", "vision.stem.cls_token"),
    (r"vision_model\.embeddings\.position_embedding\.weight$", "vision.stem.pos_embed"),
    (r"vision_model\.embeddings\.patch_embedding\.", "vision.stem.patch_embed.proj."),
    (r"vision_model\.pre_layrnorm\.", "vision.stem.norm_pre."),
    (r"vision_model\.post_layernorm\.", "vision.stem.norm."),
    (r"vision_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.", r"vision.layers.\1.block.norm\2."),
    (r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.out_proj\.", r"vision.layers.\1.block.attn.proj."),
    (r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.qkv\.", r"vision.layers.\1.block.attn.qkv."),
    (r"vision_model\.encoder\.layers\.(\d+)\.mlp\.", r"vision.layers.\1.block.mlp."),
    (r"text_projection\.weight$", "project_text.linear.weight"),
    (r"visual_projection\.weight$", "project_image.linear.weight"),
)

TEXT_OF_CN_CLIP: Names = (
    (r"bert\.encoder\.layer\.(\d+)\.attention\.self\.out_proj\.", r"text.layers.\1.block.attention.output.dense."),
    (r"bert\.encoder\.layer\.(\d+)\.", r"text.layers.\1.block."),
    (r"bert\.embeddings\.", "text.embeddings."),
    (r"text_projection$", "project_text.linear.weight"),
)

VIT_OF_CN_CLIP: Names = (
    (r"visual\.class_embedding$", "vision.stem.cls_token"),
    (r"visual\.positional_embedding$", "vision.stem.pos_embed"),
    (r"visual\.conv1\.", "vision.stem.patch_embed.proj."),
    (r"visual\.ln_pre\.", "vision.stem.norm_pre."),
    (r"visual\.ln_post\.", "vision.stem.norm."),
    (r"visual\.transformer\.resblocks\.(\d+)\.ln_([12])\.", r"vision.layers.\1.block.norm\2."),
    (r"visual\.transformer\.resblocks\.(\d+)\.attn\.(?:in_proj_|Wqkv\.)", r"vision.layers.\1.block.attn.qkv."),
    (r"visual\.transformer\.resblocks\.(\d+)\.attn\.out_proj\.", r"vision.layers.\1.block.attn.proj."),
    (r"visual\.transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"vision.layers.\1.block.mlp.fc1."),
    (r"visual\.transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"vision.layers.\1.block.mlp.fc2."),
    (r"visual\.proj$", "project_image.linear.weight"),
)

RESNET_OF_CN_CLIP: Names = (
    (r"visual\.conv([123])\.", r"vision.stem.conv\1.conv."),
    (r"visual\.bn([123])\.", r"vision.stem.conv\1.bn."),
    (r"visual\.attnpool\.positional_embedding$", "vision.attention_pool.pos_embed"),
    (r"visual\.attnpool\.c_proj\.", "project_image.linear."),
    (r"visual\.attnpool\.([qkv])_proj\.", r"vision.attention_pool.\1."),
    (r"visual\.layer(\d)\.(\d+)\.(conv|bn)([13])\.", r"vision.layers.\1.\2.conv\4_1x1.\3."),
    (r"visual\.layer(\d)\.(\d+)\.(conv|bn)2\.", r"vision.layers.\1.\2.conv2_kxk.\3."),
    (r"visual\.layer(\d)\.(\d+)\.downsample\.0\.", r"vision.layers.\1.\2.shortcut.conv.conv."),
    (r"visual\.layer(\d)\.(\d+)\.downsample\.1\.", r"vision.layers.\1.\2.shortcut.conv.bn."),
)
"""timm's names, but for its stages, which are counted from 0 and not from 1."""

UNUSED = r"(text_model|bert)\.(pooler\..*|embeddings\.position_ids)|vision_model\.embeddings\.position_ids"
"""Whole names of what no direction depends on: a pooler that nothing reads, and buffers that count."""

TRANSPOSED = ("text_projection", "visual.proj")
"""What cn_clip multiplies from the right."""


def named_as_here(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors that directions depend on under our names, in single precision.

    A name that is of neither layout stays as it is, for :func:`mkgc.released.weights.load_strictly` to list.

    Raises:
        CheckpointError: They are not Chinese-CLIP's.
    """
    used = {name: value.float() for name, value in state.items() if not re.fullmatch(UNUSED, name)}
    if "visual_projection.weight" in used:
        return _shaped(_renamed(_joined(used), OF_TRANSFORMERS))
    if "text_projection" not in used:
        raise CheckpointError("the weights are Chinese-CLIP's in neither layout: they have no projection of texts")
    used |= {name: used[name].T.contiguous() for name in TRANSPOSED if name in used}
    if "visual.layer1.0.conv1.weight" in used:
        renamed = _renamed(_split(used), TEXT_OF_CN_CLIP + RESNET_OF_CN_CLIP)
        return {_counted_from_0(name): value for name, value in renamed.items()}
    return _shaped(_renamed(_split(used), TEXT_OF_CN_CLIP + VIT_OF_CN_CLIP))


def _renamed(state: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    out = {}
    for name, value in state.items():
        ours = next((re.sub(theirs, ours, name) for theirs, ours in names if re.match(theirs, name)), name)
        if ours in out:
            raise CheckpointError(f"the weights have '{name}' twice, once under another name")
        out[ours] = value
    return out


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The vision layers' query, key and value projections as one, as timm has them."""
    out = dict(state)
    for name in state:
        if match := re.fullmatch(r"(vision_model\..*\.self_attn\.)q_proj\.(weight|bias)", name):
            start, kind = match.groups()
            parts = [f"{start}{x}_proj.{kind}" for x in "qkv"]
            if all(part in out for part in parts):
                out[f"{start}qkv.{kind}"] = torch.cat([out.pop(part) for part in parts])
    return out


def _split(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The text layers' joined projections, as FlashAttention has them, as three."""
    out = dict(state)
    for name in state:
        if match := re.fullmatch(r"(bert\..*\.attention\.self\.)Wqkv\.(weight|bias)", name):
            start, kind = match.groups()
            for part, value in zip(("query", "key", "value"), out.pop(name).chunk(3), strict=True):
                out[f"{start}{part}.{kind}"] = value
    return out


def _counted_from_0(name: str) -> str:
    return re.sub(r"^vision\.layers\.(\d)", lambda match: f"vision.layers.{int(match[1]) - 1}", name)


def _shaped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's class token and table of positions have an axis for the batch."""
    axes = {"vision.stem.cls_token": (1, 1, -1), "vision.stem.pos_embed": (1, -1)}
    shapes = {name: (*axis, *state[name].shape[1:]) for name, axis in axes.items() if name in state}
    return state | {name: state[name].reshape(shape) for name, shape in shapes.items()}
