"""The numbers of an explanation are those of equations 10 to 14, worked out from the weights by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mkgc.explanations.explanation import Explanation
from mkgc.inference import Predictor
from tests.explanations.conftest import RECORDS, slow

pytestmark = pytest.mark.usefixtures("without_gradients")
near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
HEADS, WIDTH = 2, 16


def inputs(predictor: Predictor, folder: Path, task: str) -> tuple[Explanation, list[dict[str, Tensor]]]:
    """The explanation of a record, and the states that came into and out of each fused layer when it was read alone."""
    backbone, seen = predictor.task.backbone, []
    for fusion in backbone.fusions:
        forward = fusion.forward

        def noted(x: Any, *args: Any, forward: Any = forward, **kwargs: Any) -> Any:
            out = forward(x, *args, **kwargs)
            seen.append({"text": x.text, "side": x.side})
            return out

        fusion.forward = noted
    (one,) = predictor.explain([RECORDS[task]], folder)
    assert isinstance(one, Explanation)
    return one, seen[-len(backbone.fusions) :]  # of the pass whose attention is shown, which comes last


def heads(x: Tensor) -> Tensor:
    """[T D] as [H T d]."""
    return torch.stack([x[:, i * WIDTH : (i + 1) * WIDTH] for i in range(HEADS)])


def projected(layer: Any, side: Any, x_t: Tensor, x_v: Tensor) -> tuple[Tensor, ...]:
    """Q_v, K_v, V_v of the image tokens and K_t, V_t of the text, by the layers' own matrices."""
    text, block = layer.block.attention.self, side.block
    keys = heads(x_t @ text.key.weight.T + text.key.bias)
    values = heads(x_t @ text.value.weight.T + text.value.bias)
    normed = torch.nn.functional.layer_norm(x_v, (32,), block.norm1.weight, block.norm1.bias, block.norm1.eps)
    weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
    q, k, v = (heads(normed @ weight[i * 32 : (i + 1) * 32].T + bias[i * 32 : (i + 1) * 32]) for i in range(3))
    return q, k, v, keys, values


@pytest.mark.parametrize("task", ["link_prediction", *map(slow, ("mre", "mner"))])
def test_lambda_and_attention_are_equations_10_to_12_of_the_weights(
    predictor: Callable[..., Predictor], folder: Path, task: str
) -> None:
    model = predictor(task)
    one, seen = inputs(model, folder, task)
    backbone, (of_pass,) = model.task.backbone, one.passes
    length = len(of_pass.tokens)
    for i, (layer, states) in enumerate(zip(of_pass.layers, seen, strict=True)):
        text_layer, side_layer = backbone.text.layers[i], backbone.side.layers[i]
        assert layer.layer == i + 1
        x_t, x_v = states["text"][0, :length], states["side"][0, : len(of_pass.visual)]
        q, k, v, keys, values = projected(text_layer, side_layer, x_t, x_v)
        to_text = (q @ keys.transpose(1, 2) / math.sqrt(WIDTH)).exp()
        to_images = (q @ k.transpose(1, 2) / math.sqrt(WIDTH)).exp()
        total = to_text.sum(-1) + to_images.sum(-1)
        share = to_text.sum(-1) / total  # equation 12
        assert layer.images is not None
        np.testing.assert_allclose(layer.images.share, share, **near)
        np.testing.assert_allclose(layer.images.text, to_text / total[..., None], **near)
        np.testing.assert_allclose(layer.images.images, to_images / total[..., None], **near)
        assert float(share.min()) < 0.9 * float(share.max())
        # Equation 11: the attention over both is (1 - λ) times that over the images and λ times that over the text.
        shown = torch.tensor(layer.images.share)[..., None]
        own = (to_images / to_images.sum(-1, keepdim=True)) @ v
        of_text = (to_text / to_text.sum(-1, keepdim=True)) @ values
        joined = torch.cat([to_text, to_images], -1) / total[..., None] @ torch.cat([values, v], 1)
        torch.testing.assert_close((1 - shown) * own + shown * of_text, joined, **near)


@pytest.mark.parametrize("task", ["link_prediction", *map(slow, ("mre", "mner"))])
def test_similarities_are_equations_13_and_14_of_the_states(
    predictor: Callable[..., Predictor], folder: Path, task: str
) -> None:
    model = predictor(task)
    one, seen = inputs(model, folder, task)
    backbone, (of_pass,) = model.task.backbone, one.passes
    length = len(of_pass.tokens)
    for i, (layer, states) in enumerate(zip(of_pass.layers, seen, strict=True)):
        part, side_layer = backbone.text.layers[i].block.attention, backbone.side.layers[i]
        x_t, x_v = states["text"][0, :length], states["side"][0, : len(of_pass.visual)]
        q_t, k_t, v_t = (heads(x_t @ p.weight.T + p.bias) for p in (part.self.query, part.self.key, part.self.value))
        context = (q_t @ k_t.transpose(1, 2) / math.sqrt(WIDTH)).softmax(-1) @ v_t
        joined = context.transpose(0, 1).flatten(1) @ part.output.dense.weight.T + part.output.dense.bias + x_t
        norm = part.output.LayerNorm
        h_t = torch.nn.functional.layer_norm(joined, (32,), norm.weight, norm.bias, norm.eps)
        q, k, v, keys, values = projected(backbone.text.layers[i], side_layer, x_t, x_v)
        weights = (q @ torch.cat([keys, k], 1).transpose(1, 2) / math.sqrt(WIDTH)).softmax(-1)
        seen_by = (weights @ torch.cat([values, v], 1)).transpose(0, 1).flatten(1)
        h_v = x_v + seen_by @ side_layer.block.attn.proj.weight.T + side_layer.block.attn.proj.bias
        similarity = (h_t @ h_v.T).exp()
        expected = (similarity / similarity.sum(-1, keepdim=True))[[*layer.text.rows]]
        np.testing.assert_allclose(layer.text.weights[0], expected, rtol=0, atol=2e-5)
    last = of_pass.layers[-1].text.rows
    mask = of_pass.marked.get("[MASK]", ())
    assert last == (mask if task == "link_prediction" else tuple(range(length)))


def test_the_released_fusion_is_seen_with_what_it_looks_at(explained: Callable[..., Explanation]) -> None:
    images = "data.images={image: 32, crops: 32, objects: null}"
    one = explained("link_prediction", "backbone=mkgformer_released", "size.released.fused=1", images)
    (of_pass,) = one.passes
    assert [layer.layer for layer in of_pass.layers] == [2]
    seen = of_pass.layers[0].images
    assert seen is not None
    np.testing.assert_allclose(seen.share + seen.images.sum(-1), 1, **near)
    assert [token.image for token in of_pass.visual] == [None, 0, None, None, None]  # absent crops are looked at, too
    np.testing.assert_allclose(of_pass.layers[0].text.weights.sum(-1), 1, **near)
