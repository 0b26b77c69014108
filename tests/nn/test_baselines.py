"""The encoder baselines: two streams with co-attention (ViLBERT), and a single one (VisualBERT)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, VisualBertConfig, VisualBertModel

from mkgc.batch import Images, Text
from mkgc.data.dataset import read_dataset
from mkgc.encoders.base import Stream
from mkgc.encoders.text import TextEncoder, random_text
from mkgc.encoders.vision import random_vision
from mkgc.errors import ConfigError
from mkgc.fusion.coattention import CoAttention
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.models.single_stream import SingleStream
from mkgc.nn.streams import Streams
from mkgc.training.checkpoint import build_task, restore
from tests.nn.test_fusion import GROUPS, LENGTHS, images, only, words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
BERT = {
    "model_type": "bert",
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """In evaluation mode, with every parameter off its starting value."""
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    return model.eval()


def two_streams(fused: int = 2, width: int = 32, heads: int = 4, **options: Any) -> Any:
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=width, depth=3, num_heads=heads)
    return shaken(FusionEncoder(random_text(BERT), vision, CoAttention, fused, **options))


def one_stream(width: int = 32, heads: int = 4, **options: Any) -> Any:
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=width, depth=3, num_heads=heads)
    return shaken(SingleStream(random_text(BERT), vision, **options))


MODELS = {
    "two streams": two_streams,
    "two streams, other widths": lambda: two_streams(width=48, heads=3),
    "two streams, frozen below": lambda: two_streams(trainable_layers=2, side_trainable_layers=2),
    "one stream": one_stream,
    "one stream, other widths": lambda: one_stream(width=48, heads=3),
    "one stream, frozen images": lambda: one_stream(side_trainable_layers=0),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def attention_by_hand(part: Any, query: Any, other: Any, mask: Any) -> Any:
    """One query at a time, one head at a time, over the states that are not masked."""
    q, k, v = part.query(query), part.key(other), part.value(other)
    size = q.shape[-1] // part.heads
    context = torch.zeros_like(q)
    for b in range(q.shape[0]):
        seen = [s for s in range(k.shape[1]) if mask[b, s]]
        for i in range(q.shape[1]):
            for h in range(part.heads):
                one = slice(h * size, (h + 1) * size)
                raw = [math.exp(float(q[b, i, one] @ k[b, s, one]) / math.sqrt(size)) for s in seen]
                for weight, s in zip(raw, seen, strict=True):
                    context[b, i, one] += weight / sum(raw) * v[b, s, one]
    return part.out(context)


def network_by_hand(network: Any, x: Any) -> Any:
    return F.gelu(x @ network[0].weight.T + network[0].bias) @ network[2].weight.T + network[2].bias


@torch.no_grad()
def test_a_co_attentional_layer_is_its_equations_written_out() -> None:
    model = two_streams(width=24, heads=3)
    fusion, text_layer, side_layer = model.fusions[0], model.text.layers[1], model.side.layers[1]
    text, side = torch.randn(2, 4, 32), torch.randn(2, 3, 24)
    text_mask = torch.tensor([[True] * 4, [True, True, False, False]])
    side_mask = torch.tensor([[True, True, True], [True, False, True]])
    normed = F.layer_norm(side, (24,), fusion.norm.weight, fusion.norm.bias, 1e-6)
    t, v = fusion.text, fusion.side
    words_ = t.attended(text + attention_by_hand(t.attention, text, normed, side_mask))
    words_ = t.fed(words_ + network_by_hand(t.network, words_))
    seen = side + attention_by_hand(v.attention, normed, text, text_mask)
    seen = seen + network_by_hand(v.network, v.norm(seen))
    out = fusion(Streams(text, text_mask, side, side_mask), text_layer, side_layer, last=False)
    expected = text_layer.feed_forward(text_layer.self_attention(words_, text_mask).state)
    torch.testing.assert_close(out.text[text_mask], expected[text_mask], **near)
    expected = side_layer.feed_forward(side_layer.self_attention(seen, side_mask).state)
    torch.testing.assert_close(out.side[side_mask], expected[side_mask], **near)


def test_the_last_co_attentional_layer_leaves_out_what_no_text_reads() -> None:
    model = two_streams(fused=1)
    x = Streams(torch.randn(1, 2, 32), torch.ones(1, 2).bool(), torch.randn(1, 3, 32), torch.ones(1, 3).bool())
    full = model.fusions[0](x, model.text.layers[-1], model.side.layers[-1], last=False)
    last = model.fusions[0](x, model.text.layers[-1], model.side.layers[-1], last=True)
    assert torch.equal(last.text, full.text)
    assert torch.equal(last.side, x.side)


def test_one_stream_is_transformers_visualbert() -> None:
    """Its visual tokens all stand at position 0, which is one vector more than the segment's."""
    config = VisualBertConfig(**{k: v for k, v in BERT.items() if k != "model_type"}, visual_embedding_dim=48)
    theirs = shaken(VisualBertModel(config))
    bert = AutoModel.from_config(random_text(BERT).config)
    bert.embeddings.load_state_dict(theirs.embeddings.state_dict(), strict=False)
    bert.encoder.layer = theirs.encoder.layer
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=48, depth=1, num_heads=3)
    ours = SingleStream(TextEncoder(bert), vision).eval()
    ours.project.load_state_dict(theirs.embeddings.visual_projection.state_dict())
    tables = theirs.embeddings
    ours.segment.data = tables.visual_token_type_embeddings.weight[1] + tables.visual_position_embeddings.weight[0]
    given, features, mask = words([5, 3]), torch.randn(2, 4, 48), torch.tensor([[True] * 4, [True, False, True, False]])
    ours.encode_side = lambda side, size: Stream(features, mask)
    ours.side.final_norm = lambda states: states
    out = ours(given)
    expected = theirs(
        given.ids,
        attention_mask=given.mask.long(),
        visual_embeds=features,
        visual_attention_mask=mask.long(),
        visual_token_type_ids=torch.ones_like(mask).long(),
    ).last_hidden_state
    torch.testing.assert_close(out.text[given.mask], expected[:, :5][given.mask], **near)
    torch.testing.assert_close(out.side[mask], expected[:, 5:][mask], **near)


@every_model
def test_padding_and_batch_mates_never_change_a_text_state(make: Callable[..., Any]) -> None:
    model, given = make(), words(LENGTHS, extra=3)
    together = model(given, GROUPS).text
    wider = [Images(g.group, g.pixels, F.pad(g.slots, (1, 2), value=-1)) for g in GROUPS]
    more_slots = model(given, wider).text
    for i, n in enumerate(LENGTHS):
        alone = Text(given.ids[i : i + 1, :n], given.mask[i : i + 1, :n], given.segments[i : i + 1, :n])
        one = model(alone, only(i, GROUPS)).text[0]
        torch.testing.assert_close(one, together[i, :n], **near)
        torch.testing.assert_close(one, more_slots[i, :n], **near)


@every_model
def test_images_matter_and_a_text_without_any_is_encoded_as_text_alone(make: Callable[..., Any]) -> None:
    model, given = make(), words(LENGTHS)
    alone = FusionEncoder(model.text).eval()(given).text
    change = (model(given, GROUPS).text - alone).abs().amax(2).masked_fill(~given.mask, 0.0)
    assert (change[[0, 1, 3]].amax(1) > 1e-3).all()
    assert change[2].max() < 1e-5
    for nothing in (
        [],
        [images("image", 32, [[-1]] * 4)],
        [Images("image", torch.zeros(0, 3, 32, 32), GROUPS[0].slots * 0 - 1)],
    ):
        torch.testing.assert_close(model(given, nothing).text[given.mask], alone[given.mask], **near)


@every_model
def test_one_position_asked_for_alone_is_the_same(make: Callable[..., Any]) -> None:
    model, given, at = make(), words(LENGTHS), torch.tensor([4, 0, 2, 1])
    one = model(given, GROUPS, at)
    torch.testing.assert_close(one.text[:, 0], model(given, GROUPS).text[torch.arange(4), at], **near)
    assert one.text.shape[1] == one.text_mask.shape[1] == 1


@every_model
def test_other_pixels_make_other_states(make: Callable[..., Any]) -> None:
    model, given = make(), words(LENGTHS)
    other = [Images(g.group, g.pixels.flip(-1), g.slots) for g in GROUPS]
    change = (model(given, GROUPS).text - model(given, other).text).abs().amax((1, 2))
    assert (change[[0, 1, 3]] > 1e-4).all()


@every_model
def test_what_learns_gets_a_finite_gradient_and_what_does_not_cannot_reach_the_text(make: Callable[..., Any]) -> None:
    model = make()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    model(words(LENGTHS), GROUPS).text.pow(2).sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name in frozen), name
        assert name in frozen or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("fused", [1, 2, 3])
def test_only_what_no_text_reads_is_frozen_in_two_streams(fused: int) -> None:
    model = two_streams(fused=fused)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"fusions", "side"}
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model(words(LENGTHS), GROUPS).text.pow(2).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()} == frozen


def test_a_batch_without_images_trains() -> None:
    for model in (two_streams(), one_stream()):
        model.train()(words(LENGTHS), []).text.pow(2).sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_frozen_layers_drop_nothing_out() -> None:
    model = one_stream(side_trainable_layers=0).train()
    assert model.keeps_images
    assert not any(module.training for part in (model.side.stem, *model.side.layers) for module in part.modules())
    assert model.text.layers[0].training


def test_too_few_trained_layers_for_co_attention_is_one_line() -> None:
    with pytest.raises(ConfigError, match="backbone.trainable_layers must be at least 2"):
        two_streams(trainable_layers=1)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["vilbert", "visualbert"])
@pytest.mark.parametrize("name", ["mre", "mner", "link_prediction"])
def test_every_task_trains_it_and_gets_it_back_without_weights(
    name: str, backbone: str, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    config = tiny(name, roots[name], f"backbone={backbone}")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    batch = dataset.processor.collate(dataset.features["train"][:8], dataset.store)
    optimiser = torch.optim.SGD(task.parameters(), 0.01)
    before = task.loss(batch)
    before.backward()
    optimiser.step()
    contents = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(contents)
    again, _ = restore(contents)
    assert type(again.backbone) is type(task.backbone)
    assert again.predict(batch) == task.eval().predict(batch)
