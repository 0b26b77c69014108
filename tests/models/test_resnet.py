"""CLIP's ResNets as towers: timm's own, with stages as layers and states that can be kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hydra.utils import instantiate

from mkgc.batch import Images
from mkgc.encoders.resnet import ResNetEncoder, pretrained_resnet, random_resnet
from mkgc.encoders.text import random_text
from mkgc.errors import ConfigError
from mkgc.losses.contrastive import contrastive_loss
from mkgc.models.dual_encoder import DualEncoder
from tests.conftest import composed
from tests.models.test_dual_encoder import BERT
from tests.nn.test_fusion import words

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
SIZES: dict[str, Any] = {"layers": [1, 2, 1, 1], "width": 8, "img_size": 64}


def pictures(count: int = 3, size: int = 64) -> list[Images]:
    pixels = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(2))
    return [Images("image", pixels, torch.arange(count)[:, None])]


def two_towers(**options: Any) -> DualEncoder:
    return DualEncoder(random_text(BERT), random_resnet(**SIZES), dim=8, **options)


def test_states_are_places_and_pooling_is_attention() -> None:
    encoder, images = random_resnet(**SIZES).eval(), pictures()
    stream = encoder(images)
    assert stream.states.shape == (3, 4, 256)
    maps = encoder.stem(images[0].pixels)
    for stage in encoder.layers:
        maps = stage(maps)
    torch.testing.assert_close(encoder.pool(stream.states), encoder.attention_pool(maps), **near)
    halves = encoder.run(encoder.run(encoder.embed(images), stop=2), 2)
    torch.testing.assert_close(halves.states, stream.states, **near)


def test_images_of_another_size_have_their_positions_resampled() -> None:
    assert random_resnet(**SIZES).eval()(pictures(size=96)).states.shape == (3, 9, 256)


def test_it_is_a_choice_of_configuration() -> None:
    config = composed("task=mre", "backbone=dual_encoder", "vision@size.vision=resnet", "size.vision.width=8")
    encoder = instantiate(config.backbone.vision)
    assert isinstance(encoder, ResNetEncoder)
    assert encoder.width == 256


def test_its_configuration_builds_it_again() -> None:
    encoder = random_resnet(**SIZES)
    config = encoder.architecture_config()
    assert config.pop("_target_") == "mkgc.encoders.resnet.random_resnet"
    assert config == SIZES
    random_resnet(**config).load_state_dict(encoder.state_dict())


def test_a_locked_resnet_stays_as_it_is_with_its_statistics() -> None:
    model = two_towers(vision_trainable_layers=0).train()
    before = {name: value.clone() for name, value in model.vision.state_dict().items()}
    loss = contrastive_loss(model.encode_text(words([5, 2, 4])), model.encode_image(pictures()), model.scale)
    loss.backward()
    torch.optim.SGD([p for p in model.parameters() if p.grad is not None], 1.0).step()
    assert all(torch.equal(value, before[name]) for name, value in model.vision.state_dict().items())
    assert model.project_image.linear.bias.grad is not None


@pytest.mark.parametrize(("chunk", "checkpointing"), [(2, False), (None, True)])
def test_statistics_count_an_image_once_though_it_is_computed_twice(chunk: int | None, checkpointing: bool) -> None:
    saving, plain = two_towers(checkpointing=checkpointing).train(), two_towers().train()
    plain.load_state_dict(saving.state_dict())
    saving.encode_image(pictures(4), chunk).sum().backward()
    for pixels in torch.split(pictures(4)[0].pixels, chunk or 4):
        plain.encode_image([Images("image", pixels, torch.arange(len(pixels))[:, None])])
    for name, value in plain.vision.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            torch.testing.assert_close(saving.vision.state_dict()[name], value, **near)


def test_what_is_no_such_resnet_is_said(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"layers=\[1, 1\], width=8, img_size=64"):
        random_resnet(**SIZES | {"layers": [1, 1]})
    with pytest.raises(ConfigError, match="images of 16 pixels a side: a ResNet needs 32"):
        random_resnet(**SIZES).embed(pictures(size=16))
    with pytest.raises(ConfigError, match="no file of vision weights"):
        pretrained_resnet(file=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no vision encoder 'resnet50_clip.openai'"):
        pretrained_resnet()


@pytest.mark.slow
def test_timms_own_weights_are_read(tmp_path: Any) -> None:
    import timm

    model = timm.create_model("resnet50_clip", num_classes=0)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    encoder = pretrained_resnet("resnet50_clip", str(tmp_path / "weights.pt")).eval()
    assert isinstance(encoder, ResNetEncoder)
    images = pictures(1, 224)
    pooled = encoder.pool(encoder(images).states)
    torch.testing.assert_close(pooled, model.eval()(images[0].pixels), **near)
