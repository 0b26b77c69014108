"""Transformer layers of two libraries behind one seam: ``self_attention``, then ``feed_forward``.

They hold the libraries' own blocks and re-order their sub-modules, so that pretrained weights, variants and parameter
names come from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxtyping import Bool, Float, Int
from timm.layers import Attention as TimmAttention
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from mkgc.errors import ConfigError
from mkgc.nn.attention import Attention, gather_positions, join_heads, split_heads
from mkgc.nn.masks import present
from mkgc.nn.streams import Attended, KeyValue


def draw_as_bert(module: nn.Module) -> None:
    """Draws a linear layer anew as BERT's are drawn; for :meth:`torch.nn.Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class TextLayer(nn.Module):
    """A post-norm block of the BERT family: transformers' BertLayer or one with the same parts (RobertaLayer, …)."""

    block: Any  # transformers' layers share their parts, not a type

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block
        self.attention = Attention(block.attention.self.dropout.p)
        self.heads: int = block.attention.self.num_attention_heads
        self.width: int = block.attention.output.dense.out_features
        self.hidden_dim: int = block.intermediate.dense.out_features

    def self_attention(
        self,
        x: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "B *Q T"],
        prefix: KeyValue | None = None,
        position_ids: Int[Tensor, " B"] | None = None,
    ) -> Attended:
        """Self-attention over the prefix, if any, and the text itself, with residual and norm.

        With ``position_ids``, only that position of each text attends, and is all that comes out; all are attended to.
        """
        part = self.block.attention.self
        asking = gather_positions(x, position_ids)
        projected = part.query(asking), part.key(x), part.value(x)
        query, key, value = (split_heads(y, self.heads) for y in projected)
        own = KeyValue(key, value, mask if mask.ndim == 2 else gather_positions(mask, position_ids))
        context = join_heads(self.attention(query, own if prefix is None else prefix.concat(own)))
        return Attended(self.block.attention.output(context, asking), context, replace(own, mask=present(mask)))

    def feed_forward(
        self, x: Float[Tensor, "B T D"], extra: Float[Tensor, "B T F"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Feed-forward network with residual and norm; ``extra`` joins its hidden units before the activation."""
        return self.block.output(self.hidden_units(x, extra), x)

    def hidden_units(
        self, x: Float[Tensor, "B T D"], extra: Float[Tensor, "B T F"] | None = None
    ) -> Float[Tensor, "B T F"]:
        """The activated hidden units of the feed-forward network."""
        if extra is None:
            return self.block.intermediate(x)
        return self.block.intermediate.intermediate_act_fn(self.block.intermediate.dense(x) + extra)

    def feed_forward_modules(self) -> list[nn.Module]:
        """The modules that only :meth:`feed_forward` uses."""
        return [self.block.intermediate, self.block.output]


class VisionLayer(nn.Module):
    """A pre-norm block of timm's VisionTransformer, with whatever it has of LayerScale, QK-norm, gate and drop path.

    Raises:
        ConfigError: The block is of a kind whose parts have another order (parallel, rotary, post-norm …).
    """

    block: Any

    def __init__(self, block: Any) -> None:
        super().__init__()
        if type(block) is not Block or type(block.attn) is not TimmAttention:
            raise ConfigError(
                f"vision blocks of type {type(block).__name__} with {type(getattr(block, 'attn', None)).__name__} "
                "are not supported: choose a timm VisionTransformer of plain pre-norm blocks, such as vit_* or deit_*"
            )
        self.block = block
        self.attention = Attention(block.attn.attn_drop.p)
        self.heads: int = block.attn.num_heads
        self.width: int = self.block.norm1.normalized_shape[0]

    def self_attention(
        self, x: Float[Tensor, "B V W"], mask: Bool[Tensor, "B *Q V"], prefix: KeyValue | None = None
    ) -> Attended:
        """Self-attention over the prefix, if any, and the image tokens themselves, with residual."""
        part = self.block.attn
        normed = self.block.norm1(x)
        query, key, value = part.qkv(normed).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        own = KeyValue(part.k_norm(key), value, mask)
        context = join_heads(self.attention(part.q_norm(query), own if prefix is None else prefix.concat(own)))
        gated = part.norm(context) if part.gate is None else part.norm(context) * part.gate(normed).sigmoid()
        state = x + self.block.drop_path1(self.block.ls1(part.proj_drop(part.proj(gated))))
        return Attended(state, context, replace(own, mask=present(mask)))

    def feed_forward(self, x: Float[Tensor, "B V W"]) -> Float[Tensor, "B V W"]:
        """Feed-forward network of the normed input, with residual."""
        block = self.block
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))

    def feed_forward_modules(self) -> list[nn.Module]:
        """The modules that only :meth:`feed_forward` uses."""
        return [self.block.norm2, self.block.mlp, self.block.ls2]


Layer = TextLayer | VisionLayer
