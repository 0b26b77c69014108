"""Two towers whose directions are those of their encoders' pooled states, with a temperature that learns in bounds."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mkgc.batch import Images, Shared, Text
from mkgc.encoders.text import random_text
from mkgc.encoders.vision import random_vision
from mkgc.losses.contrastive import contrastive_loss
from mkgc.models.dual_encoder import DualEncoder
from tests.nn.test_fusion import words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
BERT = {
    "model_type": "bert",
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
LENGTHS = [5, 2, 4]


def two_towers(**options: Any) -> DualEncoder:
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=24, depth=2, num_heads=3)
    return DualEncoder(random_text(BERT), vision, dim=8, **options)


def pictures() -> list[Images]:
    return [Images("image", torch.randn(3, 3, 32, 32), torch.arange(3)[:, None])]


def loss(model: DualEncoder, text: Text, images: list[Images]) -> torch.Tensor:
    return contrastive_loss(model.encode_text(text), model.encode_image(images), model.scale)


def test_directions_are_projected_class_states_of_length_one() -> None:
    model, text, images = two_towers().eval(), words(LENGTHS, extra=2), pictures()
    encoded = model.text(text).states[:, 0], model.vision(images).states[:, 0]
    matrices = model.project_text.linear.weight, model.project_image.linear.weight
    directions = model.encode_text(text), model.encode_image(images)
    for state, matrix, found in zip(encoded, matrices, directions, strict=True):
        torch.testing.assert_close(found, F.normalize(state @ matrix.T, dim=1), **near)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(3), **near)


def test_companions_in_a_batch_change_no_direction() -> None:
    model, text, images = two_towers().eval(), words(LENGTHS, extra=2), pictures()
    for i in range(3):
        one = torch.tensor([i])
        torch.testing.assert_close(model.encode_text(text.rows(one))[0], model.encode_text(text)[i], **near)
        torch.testing.assert_close(model.encode_image([images[0].rows(one)])[0], model.encode_image(images)[i], **near)


def test_an_encoder_without_a_class_token_is_pooled_to_the_mean_of_its_patches() -> None:
    options: dict[str, Any] = {"class_token": False, "global_pool": "avg"}
    vision = random_vision("vit_tiny_patch16_224", img_size=32, embed_dim=24, depth=1, num_heads=3, **options)
    states = torch.randn(2, 4, 24)
    torch.testing.assert_close(vision.pool(states), states.mean(1), **near)


def test_images_of_one_example_are_not_one_image() -> None:
    crowded = Images("image", torch.randn(4, 3, 32, 32), torch.arange(4).view(2, 2))
    for images in ([], [crowded], [*pictures(), *pictures()]):
        with pytest.raises(ValueError, match="an example of its own"):
            two_towers().encode_image(images)


def test_the_scale_begins_where_clip_begins_ends_at_100_and_can_come_back() -> None:
    model = two_towers()
    assert model.scale.item() == pytest.approx(1 / 0.07, rel=1e-5)
    model.logit_scale.data.fill_(math.log(150))
    assert model.scale.item() == pytest.approx(100, rel=1e-5)
    model.scale.backward()
    assert model.logit_scale.grad.item() == pytest.approx(100, rel=1e-5)


def test_everything_learns_but_what_no_direction_depends_on() -> None:
    model = two_towers()
    loss(model, words(LENGTHS), pictures()).backward()
    for name, parameter in model.named_parameters():
        if name != "text.embeddings.position_embeddings.weight":
            assert (parameter.grad is not None and bool(parameter.grad.isfinite().all())) == parameter.requires_grad, (
                name
            )


def test_a_locked_tower_stays_while_the_other_learns_its_pairs() -> None:
    model, text, images = two_towers(vision_trainable_layers=0), words(LENGTHS), pictures()
    locked = {name: value.clone() for name, value in model.vision.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    begun = loss(model, text, images).item()
    for _ in range(20):
        optimiser.zero_grad()
        loss(model, text, images).backward()
        optimiser.step()
    assert loss(model.eval(), text, images).item() < 0.2 * begun
    assert model.keeps_images
    for name, value in locked.items():
        assert torch.equal(model.vision.state_dict()[name], value), name


def test_an_image_that_two_texts_share_is_encoded_once() -> None:
    model, images = two_towers().eval(), pictures()
    shared = Shared(torch.tensor([0, 1]), torch.tensor([0, 1, 0]))
    both = Images("image", images[0].pixels, torch.tensor([[2], [0], [2]]), shared)
    sizes = []
    model.vision.layers[0].attention.register_forward_hook(lambda m, given, out: sizes.append(len(given[0])))
    torch.testing.assert_close(model.encode_image([both]), model.encode_image(images)[[2, 0, 2]], **near)
    assert sizes == [2, 3]


def test_what_is_kept_of_a_locked_encoder_is_its_pooled_state_alone() -> None:
    model, images = two_towers(vision_trainable_layers=0).eval(), pictures()
    kept = model.frozen_prefixes["images"].compute(images)
    assert kept.states.shape == (3, 1, 24)
    shared = Shared(torch.tensor([1]), torch.tensor([1, 2, 0]), kept.states[[2, 0]], kept.mask[[2, 0]])
    given = Images("image", images[0].pixels[[1]], torch.tensor([[1], [0], [2]]), shared)
    torch.testing.assert_close(model.encode_image([given]), model.encode_image(images)[[0, 1, 2]], **near)


def test_a_text_may_be_the_mean_of_its_states_and_padding_is_none() -> None:
    model, text = two_towers(text_pooling="mean").eval(), words(LENGTHS, extra=2)
    states = model.text(text).states
    means = torch.stack([one[:length].mean(0) for one, length in zip(states, LENGTHS, strict=True)])
    expected = F.normalize(means @ model.project_text.linear.weight.T, dim=1)
    torch.testing.assert_close(model.encode_text(text), expected, **near)


def all_gradients(model: DualEncoder, **how: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    text, images = words([5, 2, 4, 3, 6]), [Images("image", IMAGES, torch.tensor([[4], [1], [0], [3], [2]]))]
    directions = model.encode_text(text, **how), model.encode_image(images, **how)
    contrastive_loss(*directions, model.scale).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


IMAGES = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("options", [{}, {"trainable_layers": 1, "vision_trainable_layers": 0}])
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_cached_gradients_are_the_plain_ones(chunk: int, options: dict[str, Any]) -> None:
    model = two_towers(**options).eval()
    plain = all_gradients(model)
    cached = all_gradients(model, chunk=chunk)
    assert plain.keys() == cached.keys()
    for name in plain:
        near = {"rtol": 0, "atol": 1e-6 * max(1.0, plain[name].abs().max().item())}
        torch.testing.assert_close(cached[name], plain[name], **near, msg=lambda said, name=name: f"{name}: {said}")


def test_with_cached_gradients_a_chunk_is_computed_twice_and_alone() -> None:
    model, sizes = two_towers(), []
    model.vision.layers[0].attention.register_forward_hook(lambda m, given, out: sizes.append(len(given[0])))
    all_gradients(model, chunk=2)
    assert sizes == [2, 2, 1, 1, 2, 2]


def test_what_a_chunk_drops_out_is_the_same_in_both_passes() -> None:
    model = two_towers().train()
    outputs: list[torch.Tensor] = []
    model.text.layers[0].block.output.dropout.register_forward_hook(lambda m, given, out: outputs.append(out.detach()))
    all_gradients(model, chunk=3)
    first, second, *again = outputs
    assert sorted(x.sum().item() for x in again) == sorted(x.sum().item() for x in (first, second))


def test_checkpointed_layers_learn_the_same() -> None:
    plain, saving = two_towers().eval(), two_towers(checkpointing=True).eval()
    saving.load_state_dict(plain.state_dict())
    for (name, expected), found in zip(all_gradients(plain).items(), all_gradients(saving).values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6, msg=name)
