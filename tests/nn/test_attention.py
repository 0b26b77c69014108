"""Attention, its masks and its weights, against loops over queries and keys."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from mkgc.fusion.coattention import CoAttention
from mkgc.fusion.prefix import PrefixFusion
from mkgc.nn.attention import Attention, Correlation
from mkgc.nn.masks import concat_masks, joint_mask, per_query, present
from mkgc.nn.streams import KeyValue, Streams
from tests.nn.test_fusion import GROUPS, LENGTHS, hybrid, words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
SHARED = torch.tensor([[True, True, False, True], [True, False, False, False]])
OWN = torch.tensor(
    [[[True, False, False, True], [True] * 4, [False, True, False, False]], [[False, False, True, True]] * 3]
)


def weights_by_hand(query: Any, key: Any, mask: Any, scale: float) -> Any:
    """Softmax weights one query and one key at a time; ``mask`` has a row for each query."""
    out = torch.zeros(*query.shape[:-1], key.shape[-2])
    for *place, q in torch.cartesian_prod(*map(torch.arange, query.shape[:-1])).tolist():
        allowed = [s for s in range(key.shape[-2]) if mask[place[0], q, s]]
        raw = [math.exp(scale * float(query[*place, q] @ key[*place, s])) for s in allowed]
        for s, part in zip(allowed, raw, strict=True):
            out[*place, q, s] = part / sum(raw)
    return out


@pytest.mark.parametrize("mask", [SHARED, OWN], ids=["one row for all", "a row for each query"])
def test_attention_is_softmax_weights_times_values_whatever_its_mask(mask: Any) -> None:
    query, key, value = torch.randn(2, 2, 3, 5), torch.randn(2, 2, 4, 5), torch.randn(2, 2, 4, 5)
    expected = weights_by_hand(query, key, per_query(mask).expand(-1, 3, -1), 5**-0.5)
    given = KeyValue(key, value, mask)
    torch.testing.assert_close(Attention().weights(query, given), expected, **near)
    torch.testing.assert_close(Attention()(query, given), expected @ value, **near)


@pytest.mark.parametrize("mask", [SHARED, OWN], ids=["one row for all", "a row for each query"])
def test_correlation_is_unscaled_softmax_weights_times_states_whatever_its_mask(mask: Any) -> None:
    query, side = torch.randn(2, 3, 5), torch.randn(2, 4, 5)
    expected = weights_by_hand(query, side, per_query(mask).expand(-1, 3, -1), 1.0)
    torch.testing.assert_close(Correlation().weights(query, side, mask), expected, **near)
    torch.testing.assert_close(Correlation()(query, side, mask), expected @ side, **near)


def test_a_query_with_nothing_to_attend_to_stays_finite_and_leaves_others_alone() -> None:
    query, key, value = torch.randn(2, 2, 3, 5), torch.randn(2, 2, 4, 5), torch.randn(2, 2, 4, 5)
    mask = OWN.clone()
    mask[0, 1] = False
    out, whole = (Attention()(query, KeyValue(key, value, m)) for m in (mask, OWN))
    assert out.isfinite().all()
    torch.testing.assert_close(out[:, :, [0, 2]], whole[:, :, [0, 2]], **near)
    assert Attention().weights(query, KeyValue(key, value, mask)).sum(-1).allclose(torch.ones(()))


def test_attention_drops_out_in_training_only() -> None:
    query, given = (
        torch.randn(1, 1, 2, 4),
        KeyValue(torch.randn(1, 1, 9, 4), torch.randn(1, 1, 9, 4), torch.ones(1, 9).bool()),
    )
    attention = Attention(dropout=0.5)
    assert not torch.equal(attention(query, given), attention(query, given))
    assert torch.equal(attention.eval()(query, given), Attention()(query, given))


def test_masks_of_either_kind_join_as_their_loops_say() -> None:
    own, other = OWN, torch.tensor([[True, False], [True, True]])
    joined = concat_masks(other, own)
    square = torch.rand(2, 4, 4) < 0.5
    both = joint_mask(square, other)
    for b in range(2):
        for q in range(3):
            assert joined[b, q].tolist() == other[b].tolist() + own[b, q].tolist()
        for q in range(4):
            assert both[b, q].tolist() == square[b, q].tolist() + other[b].tolist()
        seen = [any(bool(square[b, q, s]) for q in range(4)) for s in range(4)]
        assert present(square)[b].tolist() == seen
        assert [row.tolist() for row in both[b, 4:]] == [seen + other[b].tolist()] * 2
    assert torch.equal(joint_mask(SHARED, other), torch.cat([SHARED, other], 1))
    assert torch.equal(present(SHARED), SHARED)


def square(mask: torch.Tensor) -> torch.Tensor:
    """The mask that says of every query what ``mask`` says of all, but for queries that do not exist themselves."""
    return mask[:, None, :] & mask[:, :, None]


def chain(mask: torch.Tensor) -> torch.Tensor:
    """A mask by which each position sees itself and its neighbours, of those that exist."""
    place = torch.arange(mask.shape[1])
    return square(mask) & ((place[:, None] - place).abs() <= 1)


@pytest.mark.parametrize("side", ["text", "side"])
def test_a_layer_under_a_mask_for_each_query_is_its_queries_one_by_one(side: str) -> None:
    layer = getattr(hybrid(), side).layers[0]
    x, there = torch.randn(2, 5, 32), torch.tensor([[True] * 5, [True, True, True, False, False]])
    together = layer.self_attention(x, chain(there))
    for b, q in there.nonzero().tolist():
        seen = chain(there)[b, q].nonzero()[:, 0]
        alone = layer.self_attention(x[b : b + 1, seen], torch.ones(1, len(seen), dtype=torch.bool))
        torch.testing.assert_close(together.state[b, q], alone.state[0, seen.tolist().index(q)], **near)
    assert torch.equal(together.key_value.mask, there)


def test_one_position_under_a_mask_for_each_query_is_what_it_is_among_all() -> None:
    layer, x, at = hybrid().text.layers[0], torch.randn(2, 5, 32), torch.tensor([4, 2])
    mask = chain(torch.tensor([[True] * 5, [True, True, True, False, False]]))
    one = layer.self_attention(x, mask, position_ids=at).state
    torch.testing.assert_close(one[:, 0], layer.self_attention(x, mask).state[[0, 1], at], **near)


@pytest.mark.parametrize("make", [PrefixFusion, CoAttention])
@pytest.mark.parametrize("at", [None, torch.tensor([2, 1])], ids=["all positions", "one position"])
def test_a_fused_layer_takes_masks_of_either_kind(make: Callable[..., Any], at: Any) -> None:
    model = hybrid()
    t, v = model.text.layers[-1], model.side.layers[-1]
    fusion = make(t, v).eval()
    text, side = torch.randn(2, 3, 32), torch.randn(2, 5, 32)
    masks = (
        torch.tensor([[True] * 3, [True, True, False]]),
        torch.tensor([[True] * 5, [True, True, False, False, False]]),
    )
    shared = fusion(Streams(text, masks[0], side, masks[1]), t, v, last=False, position_ids=at)
    own = fusion(Streams(text, square(masks[0]), side, square(masks[1])), t, v, last=False, position_ids=at)
    there = masks[0] if at is None else masks[0][[0, 1], at][:, None]
    torch.testing.assert_close(own.text[there], shared.text[there], **near)
    torch.testing.assert_close(own.side[masks[1]], shared.side[masks[1]], **near)
    assert torch.equal(present(own.text_mask), there)
    hidden = fusion(Streams(text, chain(masks[0]), side, square(masks[1])), t, v, last=False, position_ids=at)
    assert not torch.allclose(hidden.text[0], own.text[0], **near)


def test_hooks_see_all_attention_of_a_network_and_its_weights() -> None:
    model, seen = hybrid(fused=2), {}
    for name, module in model.named_modules():
        if isinstance(module, Attention | Correlation):
            module.register_forward_hook(lambda m, given, out, name=name: seen.update({name: (m.weights(*given), out)}))
    model(words(LENGTHS), GROUPS)
    layers = [f"{side}.layers.{i}.attention" for side in ("text", "side") for i in range(3)]
    assert set(seen) == {*layers, "fusions.0.correlation", "fusions.1.correlation"}
    tokens, image_tokens = max(LENGTHS), seen["side.layers.0.attention"][0].shape[-1]
    assert seen["side.layers.2.attention"][0].shape[-1] == tokens + image_tokens
    assert seen["fusions.0.correlation"][0].shape == (len(LENGTHS), tokens, image_tokens)
    assert "attention.dropout" not in " ".join(model.state_dict())
