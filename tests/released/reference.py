"""The released MKGformer as plain functions of its own state dictionary: slow, obvious, and none of our modules.

Written from the description of zjunlp/MKGformer's modeling_unimo.py; checked against recorded outputs of that code.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

FUSED_FROM = 8


def linear(s: Any, name: Any, x: Any) -> Any:
    return x @ s[f"{name}.weight"].T + s[f"{name}.bias"]


def norm(s: Any, name: Any, x: Any, eps: Any) -> Any:
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(var + eps) * s[f"{name}.weight"] + s[f"{name}.bias"]


def heads_of(x: Any, heads: Any) -> Any:
    b, n, d = x.shape
    return x.view(b, n, heads, d // heads).permute(0, 2, 1, 3)


def self_attention(q: Any, k: Any, v: Any, bias: Any = None) -> Any:
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if bias is not None:
        scores = scores + bias
    out = scores.softmax(-1) @ v
    return out.permute(0, 2, 1, 3).flatten(2)


def text_embeddings(s: Any, ids: Any, segments: Any) -> Any:
    x = s["text_embeddings.word_embeddings.weight"][ids]
    x = x + s["text_embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = x + s["text_embeddings.token_type_embeddings.weight"][segments]
    return norm(s, "text_embeddings.LayerNorm", x, 1e-12)


def patches(s: Any, images: Any) -> Any:
    """Images [B, I, 3, S, S] as patch embeddings [B, I * n, D]."""
    b = len(images)
    x = F.conv2d(images.flatten(0, 1), s["vision_embeddings.patch_embedding.weight"], stride=32)
    return x.flatten(2).transpose(1, 2).reshape(b, -1, x.shape[1])


def vision_embeddings(s: Any, image: Any, crops: Any, objects: Any, linking: Any) -> Any:
    v = "vision_embeddings."
    if linking:
        return torch.cat([patches(s, image), patches(s, crops), patches(s, objects)], 1)
    cls = s[f"{v}class_embedding"].expand(len(crops), 1, -1)
    crops = patches(s, crops) + s[f"{v}aux_position_embedding.weight"]
    objects = patches(s, objects) + s[f"{v}rcnn_position_embedding.weight"]
    return torch.cat([cls, crops, objects], 1)


def run(
    s: Any, heads: Any, ids: Any, mask: Any, segments: Any, image: Any, crops: Any, objects: Any, linking: bool = False
) -> Any:
    """All intermediate tensors by the names of the recordings; ``s`` is without the task's prefix."""
    out = {"out.text_embeddings": text_embeddings(s, ids, segments)}
    out["mid.vision_embeddings"] = vision_embeddings(s, image, crops, objects, linking)
    t = out["out.text_embeddings"]
    v = out["out.vision_pre_ln"] = norm(s, "vision_pre_layrnorm", out["mid.vision_embeddings"], 1e-5)
    bias = (1.0 - mask[:, None, None, :].to(t.dtype)) * -10000.0
    before = None
    for i in range(12):
        p = f"encoder.vision_layers.{i}."
        y = norm(s, f"{p}layer_norm1", v, 1e-5)
        q, k, val = (heads_of(linear(s, f"{p}self_attn.{n}_proj", y), heads) for n in "qkv")
        if i >= FUSED_FROM:
            k, val = torch.cat([before[0], k], 2), torch.cat([before[1], val], 2)
        v = v + linear(s, f"{p}self_attn.out_proj", self_attention(q, k, val))
        y = linear(s, f"{p}mlp.fc1", norm(s, f"{p}layer_norm2", v, 1e-5))
        v = v + linear(s, f"{p}mlp.fc2", y * torch.sigmoid(1.702 * y))
        out[f"out.vision_layer.{i:02d}"] = v

        p = f"encoder.text_layer.{i}."
        q, k, val = (heads_of(linear(s, f"{p}attention.self.{n}", t), heads) for n in ("query", "key", "value"))
        out[f"mid.text_layer.{i:02d}.key"], out[f"mid.text_layer.{i:02d}.value"] = before = (k, val)
        context = out[f"mid.text_layer.{i:02d}.context"] = self_attention(q, k, val, bias)
        state = norm(s, f"{p}attention.output.LayerNorm", linear(s, f"{p}attention.output.dense", context) + t, 1e-12)
        hidden = linear(s, f"{p}intermediate.dense", state)
        if i >= FUSED_FROM:
            fusion = out[f"mid.text_layer.{i:02d}.fusion"] = (context @ v.transpose(1, 2)).softmax(-1) @ v
            hidden = hidden + linear(s, f"{p}intermediate.fusion_dense", fusion)
        t = norm(s, f"{p}output.LayerNorm", linear(s, f"{p}output.dense", F.gelu(hidden)) + state, 1e-12)
        out[f"out.text_layer.{i:02d}"] = t
    out["out.last_hidden_state"] = t
    return out
