"""PKG-Bert as its authors released it: its norm, and its names of weights under ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from mkgc.app.ranges import Natural
from mkgc.encoders.text import TextEncoder
from mkgc.models.pkg_bert import PkgBert

RENAMED = (
    (r"^embedding\.word_embedding\.", "backbone.text.embeddings.word_embeddings."),
    (r"^embedding\.position_embedding\.", "backbone.text.embeddings.position_embeddings."),
    (r"^embedding\.segment_embedding\.", "backbone.text.embeddings.token_type_embeddings."),
    (r"^embedding\.visual_embedding\.", "backbone.text.project_features."),
    (r"^embedding\.layer_norm\.", "backbone.text.embeddings.LayerNorm."),
    (r"^encoder\.transformer\.(\d+)\.", r"backbone.text.layers.\1.block."),
    (r"\.self_attn\.linear_layers\.0\.", ".attention.self.query."),
    (r"\.self_attn\.linear_layers\.1\.", ".attention.self.key."),
    (r"\.self_attn\.linear_layers\.2\.", ".attention.self.value."),
    (r"\.self_attn\.final_linear\.", ".attention.output.dense."),
    (r"\.layer_norm_1\.", ".attention.output.LayerNorm."),
    (r"\.feed_forward\.linear_1\.", ".intermediate.dense."),
    (r"\.feed_forward\.linear_2\.", ".output.dense."),
    (r"\.layer_norm_2\.", ".output.LayerNorm."),
    (r"^target\.mlm_linear_1\.", "masked_lm.dense."),
    (r"^target\.layer_norm\.", "masked_lm.norm."),
    (r"^target\.mlm_linear_2\.weight$", "masked_lm.table.weight"),
    (r"^target\.mlm_linear_2\.bias$", "masked_lm.bias"),
    (r"^multi_target\.mlm_linear_1\.", "backbone.vector.dense."),
    (r"^multi_target\.layer_norm\.", "backbone.vector.norm."),
    (r"^multi_target\.mlm_linear_2\.", "backbone.vector.project."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
)
"""Names of the released code, and what stands in their place here."""

VISUAL_BIAS = "backbone.text.project_features.bias"
SEGMENTS = "backbone.text.embeddings.token_type_embeddings.weight"


class UnbiasedNorm(nn.Module):
    """Layer norm by the unbiased standard deviation, to which epsilon is added: w (x - mean) / (std + 1e-6) + b.

    It has the parameters of the norm whose place it takes.

    Source: liyuqing1/PKG-Bert, uer/layers/layer_norm.py.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.weight * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + self.bias


def use_unbiased_norms(module: nn.Module) -> None:
    """Puts the released norm in the place of every layer norm."""
    for parent in [*module.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.LayerNorm):
                setattr(parent, name, UnbiasedNorm(child))


class ReleasedPkgBert(PkgBert):
    """PKG-Bert with the norms of the released code, in its layers and before its vector."""

    def __init__(self, text: TextEncoder, trainable_layers: Natural | None = None) -> None:
        super().__init__(text, trainable_layers)
        use_unbiased_norms(self)

    def enter_space(self, dim: int, visual: bool, vectors: bool) -> None:
        super().enter_space(dim, visual, vectors)
        use_unbiased_norms(self)


def pkg_bert_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the released model under our names: ``backbone``, and the head ``masked_lm`` with its own rows.

    The projection of images has a bias there, which every token gets, with images or without: a token's segment says
    the same here.
    """
    out = {_renamed(name): value for name, value in state.items()}
    if (bias := out.pop(VISUAL_BIAS, None)) is not None:
        out[SEGMENTS] = out[SEGMENTS] + bias
    return out


def _renamed(name: str) -> str:
    for pattern, ours in RENAMED:
        name = re.sub(pattern, ours, name)
    return name
