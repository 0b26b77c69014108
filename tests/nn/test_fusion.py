"""Prefix-guided interaction and correlation-aware fusion, against the paper's equations."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mkgc.batch import Images, Text
from mkgc.data.processor import share
from mkgc.encoders.text import random_text
from mkgc.encoders.vision import random_vision
from mkgc.errors import ConfigError
from mkgc.fusion.prefix import PrefixFusion
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.attention import Attention, Correlation, split_heads
from mkgc.nn.embeddings import ExtendedEmbedding
from mkgc.nn.streams import KeyValue
from mkgc.released.fusion import ReleasedFusion

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


def hybrid(
    fused: int = 2,
    width: int = 32,
    side: int = 32,
    heads: int = 4,
    side_heads: int = 4,
    stacked: bool = False,
    **fusion: Any,
) -> FusionEncoder:
    text = random_text(
        {
            "model_type": "bert",
            "vocab_size": 60,
            "hidden_size": width,
            "num_hidden_layers": 3,
            "num_attention_heads": heads,
            "intermediate_size": 64,
        }
    )
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=side, depth=3, num_heads=side_heads)
    model = FusionEncoder(text, vision, lambda t, s: PrefixFusion(t, s, **fusion), fused, stacked)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else None
    return model.eval()


def words(lengths: list[int], extra: int = 0) -> Text:
    width = max(lengths) + extra
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (len(lengths), width), generator=draw)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    return Text(ids, mask, torch.zeros_like(ids))


def images(group: str, size: int, slots: list[list[int]]) -> Images:
    draw = torch.Generator().manual_seed(size)
    count = 1 + max((row for rows in slots for row in rows), default=-1)
    return Images(group, torch.randn(count, 3, size, size, generator=draw), torch.tensor(slots))


def test_attention_over_a_prefix_interpolates_between_both() -> None:
    """Equation 11: head = (1 - λ) Attn(own) + λ Attn(prefix), λ the prefix' share of the softmax' denominator."""
    query, own_key, own_value = (torch.randn(2, 3, 5, 8) for _ in range(3))
    key, value = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 4, 8)
    prefix = KeyValue(key, value, torch.ones(2, 4, dtype=torch.bool))
    own = KeyValue(own_key, own_value, torch.ones(2, 5, dtype=torch.bool))
    weight = [(query @ k.transpose(-1, -2) / math.sqrt(8)).exp().sum(-1, keepdim=True) for k in (key, own_key)]
    share = weight[0] / (weight[0] + weight[1])
    expected = (1 - share) * Attention()(query, own) + share * Attention()(query, prefix)
    torch.testing.assert_close(Attention()(query, prefix.concat(own)), expected, **near)


def test_aggregation_is_equations_13_and_14_written_out() -> None:
    text, side = torch.randn(2, 4, 6), torch.randn(2, 3, 6)
    mask = torch.tensor([[True, True, True], [True, False, True]])
    expected = torch.zeros(2, 4, 6)
    for b in range(2):
        seen = [v for v in range(3) if mask[b, v]]
        for t in range(4):
            similarity = [math.exp(sum(float(text[b, t, d] * side[b, v, d]) for d in range(6))) for v in seen]
            for v, s in zip(seen, similarity, strict=True):
                expected[b, t] += s / sum(similarity) * side[b, v]
    torch.testing.assert_close(Correlation()(text, side, mask), expected, **near)


@pytest.mark.parametrize("tokens", [3, 0])
def test_nothing_to_see_adds_nothing(tokens: int) -> None:
    text, side, mask = torch.randn(1, 4, 6), torch.randn(1, tokens, 6), torch.zeros(1, tokens, dtype=torch.bool)
    assert torch.equal(Correlation()(text, side, mask), torch.zeros(1, 4, 6))


def test_a_fused_layer_is_equations_10_to_16_written_out() -> None:
    model = hybrid(fused=1)
    text, image = words([5, 5]), images("image", 32, [[0], [1]])
    t_layer, v_layer, fusion = model.text.layers[-1], model.side.layers[-1], model.fusions[0]
    seen: dict[str, Any] = {}
    forward = fusion.forward
    fusion.forward = lambda x, *args, **kw: seen.setdefault("out", forward(seen.setdefault("in", x), *args, **kw))
    model(text, [image])
    x_t, x_v = seen["in"].text, seen["in"].side
    part, block = t_layer.block.attention.self, v_layer.block
    keys, values = (split_heads(p(x_t), 4) for p in (part.key, part.value))
    normed = block.norm1(x_v)
    q, k, v = (split_heads(y, 4) for y in block.attn.qkv(normed).chunk(3, -1))
    both_k, both_v = torch.cat([keys, k], 2), torch.cat([values, v], 2)
    weights = (q @ both_k.transpose(-1, -2) / math.sqrt(8)).softmax(-1)
    h_v = x_v + block.attn.proj((weights @ both_v).transpose(1, 2).flatten(2))
    h_t = t_layer.block.attention(x_t)[0]
    extra = Correlation()(h_t, h_v, seen["in"].side_mask) @ fusion.project.weight.T
    hidden_dim, outer = t_layer.block.intermediate.dense, t_layer.block.output
    hidden = torch.nn.functional.gelu(h_t @ hidden_dim.weight.T + hidden_dim.bias + extra)
    expected = outer.LayerNorm(hidden @ outer.dense.weight.T + outer.dense.bias + h_t)
    torch.testing.assert_close(seen["out"].text, expected, **near)
    torch.testing.assert_close(seen["out"].side, h_v, **near)


def test_equal_widths_add_one_matrix_a_layer_and_unequal_ones_their_adapters() -> None:
    new = {name for name, _ in hybrid(fused=2).named_parameters() if name.startswith("fusions")}
    assert new == {"fusions.0.project.weight", "fusions.1.project.weight"}
    new = {name.split(".")[2] for name, _ in hybrid(fused=1, side=48).named_parameters() if name.startswith("fusions")}
    assert new == {"project", "key_to_side", "value_to_side", "side_to_text"}


@pytest.mark.parametrize("shape", [{"side": 48, "side_heads": 3}, {"heads": 2, "side_heads": 8}])
def test_widths_and_heads_may_differ(shape: Any) -> None:
    out = hybrid(**shape)(words([4, 3]), [images("image", 32, [[0], [1]])])
    assert out.text.shape == (2, 4, 32)
    assert out.text.isfinite().all()


GROUPS = [
    images("image", 32, [[0], [1], [-1], [2]]),
    images("crops", 64, [[0, 1, -1], [-1, -1, -1], [-1, -1, -1], [2, 3, 4]]),
]
LENGTHS = [6, 3, 5, 4]


def only(i: int, groups: list[Images]) -> list[Images]:
    return [Images(g.group, g.pixels, g.slots[i : i + 1]) for g in groups]


@pytest.mark.parametrize("options", [{}, {"pgi": False}, {"stacked": True}, {"side": 48, "side_heads": 3}])
def test_padding_and_batch_mates_never_change_a_text_state(options: Any) -> None:
    model = hybrid(**options)
    together = model(words(LENGTHS, extra=3), GROUPS).text
    wider = [Images(g.group, g.pixels, torch.nn.functional.pad(g.slots, (1, 2), value=-1)) for g in GROUPS]
    more_slots = model(words(LENGTHS, extra=3), wider).text
    given = words(LENGTHS, extra=3)
    for i, n in enumerate(LENGTHS):
        alone = Text(given.ids[i : i + 1, :n], given.mask[i : i + 1, :n], given.segments[i : i + 1, :n])
        one = model(alone, only(i, GROUPS)).text[0]
        torch.testing.assert_close(one, together[i, :n], **near)
        torch.testing.assert_close(one, more_slots[i, :n], **near)


def test_tokens_under_the_padding_mask_do_not_matter() -> None:
    model, given = hybrid(), words(LENGTHS, extra=2)
    other = Text(given.ids.where(given.mask, 7), given.mask, given.segments)
    torch.testing.assert_close(model(given, GROUPS).text[given.mask], model(other, GROUPS).text[given.mask], **near)


def test_the_order_of_a_batch_is_kept() -> None:
    model, given, order = hybrid(), words(LENGTHS), torch.tensor([2, 0, 3, 1])
    turned = Text(given.ids[order], given.mask[order], given.segments[order])
    moved = [Images(g.group, g.pixels, g.slots[order]) for g in GROUPS]
    torch.testing.assert_close(model(turned, moved).text, model(given, GROUPS).text[order], **near)


def test_images_matter_where_there_are_any() -> None:
    model, given = hybrid(), words(LENGTHS)
    without = [Images(g.group, g.pixels, torch.full_like(g.slots, -1)) for g in GROUPS]
    change = (model(given, GROUPS).text - model(given, without).text).abs().amax((1, 2))
    assert (change[[0, 1, 3]] > 1e-3).all()
    assert change[2] < 1e-5


def test_a_batch_without_any_image_is_text_alone() -> None:
    model, given = hybrid(), words(LENGTHS)
    for images in ([], [Images("image", torch.zeros(0, 3, 32, 32), torch.zeros(4, 0, dtype=torch.long))]):
        out = model(given, images).text
        torch.testing.assert_close(out, FusionEncoder(model.text).eval()(given).text, **near)


def test_gradients_are_finite_where_images_are_absent() -> None:
    model = hybrid()
    model(words(LENGTHS), GROUPS).text.pow(2).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("options", [{}, {"pgi": False}, {"caf": False}, {"fused": 1}, {"stacked": True}])
def test_one_position_of_each_text_is_what_it_is_among_all_with_its_gradients(options: Any) -> None:
    model, given, at = hybrid(**options), words(LENGTHS), torch.tensor([5, 0, 2, 3])
    whole, only_at = model(given, GROUPS).text[range(len(at)), at], model(given, GROUPS, at)
    assert only_at.text.shape == (len(at), 1, 32)
    assert only_at.text_mask.all()
    torch.testing.assert_close(only_at.text[:, 0], whole, **near)
    learning, draw = [p for p in model.parameters() if p.requires_grad], torch.randn_like(whole)
    sums = (whole * draw).sum(), (only_at.text[:, 0] * draw).sum()
    expected, found = (torch.autograd.grad(total, learning, allow_unused=True) for total in sums)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_one_position_of_the_released_fusion_is_what_it_is_among_all() -> None:
    plain, at = hybrid(), torch.tensor([5, 0, 2, 3])
    model = FusionEncoder(plain.text, plain.side, ReleasedFusion, 2).eval()
    whole = model(words(LENGTHS), GROUPS).text[range(len(at)), at]
    torch.testing.assert_close(model(words(LENGTHS), GROUPS, at).text[:, 0], whole, **near)


def test_the_last_layer_computes_no_position_that_is_not_asked_for() -> None:
    model, sizes = hybrid(), []
    network = model.text.layers[-1].block.output
    network.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[1]))
    model(words(LENGTHS), GROUPS, torch.tensor([5, 0, 2, 3]))
    assert sizes == [1]


def alone(model: FusionEncoder, given: Text, groups: list[Images]) -> torch.Tensor:
    """Text states of each example in a batch of its own."""
    rows = [[group.rows(torch.tensor([i])) for group in groups] for i in range(len(given.ids))]
    return torch.cat([model(given.rows(torch.tensor([i])), images).text for i, images in enumerate(rows)])


@pytest.mark.parametrize("fused", [1, 3])
def test_examples_with_the_same_images_share_their_lower_layers_and_nothing_else_changes(fused: int) -> None:
    given = words(LENGTHS)
    shown = [
        images("image", 32, [[0], [1], [0], [-1]]),
        images("crops", 64, [[1, 0, -1], [0, 1, -1], [1, 0, -1], [0, 1, -1]]),
    ]
    shared = share([tuple(map(tuple, slots)) for slots in zip(*(g.slots.tolist() for g in shown), strict=True)])
    shown = [replace(group, shared=shared) for group in shown]
    draw, outcomes = torch.randn(len(LENGTHS), max(LENGTHS), 32), []
    for run in (lambda model: model(given, shown).text, lambda model: alone(model, given, shown)):
        torch.manual_seed(0)
        model = hybrid(fused=fused)
        sizes: list[int] = []
        self_attention = model.side.layers[0].self_attention
        model.side.layers[0].self_attention = lambda x, *more, a=self_attention, s=sizes: (
            s.append(len(x)),
            a(x, *more),
        )[1]
        states = run(model)
        (states * draw * given.mask[..., None]).sum().backward()
        outcomes.append((states[given.mask], [p.grad for p in model.parameters() if p.grad is not None], sizes))
    (together, gradients, sizes), (apart, expected, _) = outcomes
    torch.testing.assert_close(together, apart, **near)
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-4)
    assert sizes == ([3] if fused == 1 else [4])


@pytest.mark.parametrize("fused", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"pgi": False}, {"caf": False}, {"stacked": True}])
def test_what_is_trainable_gets_a_gradient_and_what_is_frozen_cannot_reach_the_text(fused: Any, options: Any) -> None:
    model = hybrid(fused=fused, **options)
    unused = {"text.embeddings.position_embeddings"}
    model(words(LENGTHS), GROUPS).text.pow(2).sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith(tuple(unused)):
            assert parameter.grad is not None, name
    for parameter in model.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None
    frozen = {name for name, p in hybrid(fused=fused, **options).named_parameters() if not p.requires_grad}
    model(words(LENGTHS), GROUPS).text.pow(2).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()} >= frozen


def test_without_correlation_the_images_are_left_out() -> None:
    model, given = hybrid(caf=False), words(LENGTHS)
    assert model.side is None
    assert not any(name.startswith(("side", "fusions")) for name in model.state_dict())
    torch.testing.assert_close(model(given, GROUPS).text, FusionEncoder(model.text).eval()(given).text, **near)


def test_independent_layers_stand_on_top_of_untouched_encoders() -> None:
    model = hybrid(fused=2, stacked=True)
    assert (len(model.text.layers), len(model.side.layers), len(model.fusions)) == (5, 5, 2)


@pytest.mark.parametrize("fused", [0, 4])
def test_more_fused_layers_than_there_are_is_one_line(fused: int) -> None:
    with pytest.raises(ConfigError, match=f"backbone.fused={fused} must lie between 1 and 3"):
        hybrid(fused=fused)


def test_new_tokens_are_numbered_behind_the_vocabulary_and_leave_it_alone() -> None:
    words_ = torch.nn.Embedding(10, 4)
    extended = ExtendedEmbedding(words_, {"entities": 3, "relations": 2})
    ids = torch.tensor([[0, 9, 10], [12, 13, 14]])
    torch.testing.assert_close(extended(ids), extended.weight[ids])
    assert torch.equal(extended.weight[:10], words_.weight)
    extended(torch.tensor([11])).sum().backward()
    assert extended.new_tokens["entities"].weight.grad.abs().sum(1).bool().tolist() == [False, True, False]
    assert not words_.weight.grad.any()
