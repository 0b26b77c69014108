"""The encoders are the libraries' own networks: the same states, whatever the architecture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from hydra.utils import instantiate
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from mkgc.batch import Images, Text
from mkgc.encoders.text import TextEncoder, pretrained_text, random_text
from mkgc.encoders.vision import VisionEncoder, pretrained_vision, random_vision
from mkgc.errors import ConfigError
from mkgc.models.fusion_encoder import FusionEncoder

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
SMALL: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
VITS: dict[str, tuple[str, dict[str, Any]]] = {
    "class token": ("vit_tiny_patch16_224", {}),
    "CLIP: pre-norm, quick-GELU": ("vit_base_patch32_clip_quickgelu_224", {}),
    "distillation token": ("deit_tiny_distilled_patch16_224", {}),
    "LayerScale": ("vit_small_patch14_dinov2", {"img_size": 56}),
    "registers, LayerScale": ("vit_small_patch14_reg4_dinov2", {"img_size": 56}),
    "no class token, QK-norm": ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg", "qk_norm": True}),
    "no position for the class token": ("vit_tiny_patch16_224", {"no_embed_class": True}),
}


def text(batch: int = 3, length: int = 9) -> Text:
    ids = torch.randint(5, 60, (batch, length))
    mask = torch.arange(length) < torch.tensor([[length], [length - 3], [2]])[:batch]
    return Text(ids.masked_fill(~mask, 1), mask, torch.zeros_like(ids))


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """With every parameter off its starting value, so that norms, biases and scales matter."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert"])
def test_the_text_encoder_is_transformers_own(kind: str) -> None:
    model = shaken(AutoModel.from_config(AutoConfig.for_model(kind, **SMALL, pad_token_id=1)))
    given = text()
    theirs = model(given.ids, attention_mask=given.mask.long()).last_hidden_state
    ours = FusionEncoder(TextEncoder(model)).eval()(given).text
    torch.testing.assert_close(ours[given.mask], theirs[given.mask], **near)


@pytest.mark.parametrize("kind", VITS)
def test_the_vision_encoder_is_timm_s_own(kind: str) -> None:
    name, more = VITS[kind]
    options: dict[str, Any] = {"img_size": 64, "embed_dim": 48, "depth": 3, "num_heads": 3, **more}
    encoder = shaken(random_vision(name, **options))
    reference = timm.create_model(name, num_classes=0, **options).eval()
    own = {f"stem.{k}": v for k, v in encoder.stem.state_dict().items()}
    own |= {k.replace(".block.", "."): v for k, v in encoder.state_dict().items() if k.startswith("layers.")}
    reference.load_state_dict({k.removeprefix("stem.").replace("layers.", "blocks.", 1): v for k, v in own.items()})
    pixels = torch.randn(2, 3, options["img_size"], options["img_size"])
    ours = encoder([Images("image", pixels, torch.tensor([[0], [1]]))]).states
    torch.testing.assert_close(ours, reference.forward_features(pixels), **near)


def test_images_of_another_size_are_read_as_timm_reads_them() -> None:
    options: dict[str, Any] = {"img_size": 64, "embed_dim": 48, "depth": 2, "num_heads": 3}
    encoder = shaken(random_vision("vit_tiny_patch16_224", **options))
    reference = timm.create_model("vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True, **options).eval()
    own = encoder.state_dict()
    reference.load_state_dict(
        {k.removeprefix("stem.").replace("layers.", "blocks.").replace(".block.", "."): v for k, v in own.items()}
    )
    pixels = torch.randn(1, 3, 32, 32)
    ours = encoder([Images("crops", pixels, torch.tensor([[0]]))]).states
    torch.testing.assert_close(ours, reference.forward_features(pixels), **near)


def test_bytes_are_normalised_as_the_pretrained_model_wants_them() -> None:
    encoder = random_vision("vit_base_patch32_clip_quickgelu_224", img_size=64, embed_dim=48, depth=1, num_heads=3)
    raw = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, std = (torch.tensor(encoder.stem.pretrained_cfg[k])[:, None, None] for k in ("mean", "std"))
    slots = torch.tensor([[0]])
    given = encoder.embed([Images("image", raw, slots)]).states
    torch.testing.assert_close(given, encoder.embed([Images("image", (raw / 255 - mean) / std, slots)]).states, **near)


def test_a_pretrained_text_encoder_loads_from_a_folder_unchanged(tmp_path: Path) -> None:
    model = shaken(BertModel(BertConfig(**SMALL)))
    model.save_pretrained(tmp_path)
    ours = pretrained_text(str(tmp_path)).eval()
    given = text()
    theirs = model(given.ids, attention_mask=given.mask.long()).last_hidden_state
    torch.testing.assert_close(FusionEncoder(ours).eval()(given).text[given.mask], theirs[given.mask], **near)


def test_a_pretrained_vision_encoder_loads_from_a_file_unchanged(tmp_path: Path) -> None:
    options: dict[str, Any] = {"img_size": 64, "embed_dim": 48, "depth": 2, "num_heads": 3}
    model = shaken(timm.create_model("vit_tiny_patch16_224", num_classes=0, **options))
    safetensors.torch.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    ours = pretrained_vision("vit_tiny_patch16_224", file=str(tmp_path / "weights.safetensors"), **options)
    for name, value in model.state_dict().items():
        mine = name.replace("blocks.", "layers.").split(".", 2)
        key = ".".join([*mine[:2], "block", mine[2]]) if mine[0] == "layers" else f"stem.{name}"
        assert torch.equal(ours.state_dict()[key], value), name


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: pretrained_text("nowhere/at-all"), "no text encoder at 'nowhere/at-all'"),
        (lambda: pretrained_vision("vit_tiny_patch16_224", file="none.safetensors"), "no file of vision weights"),
        (lambda: random_vision("vit_unheard_of"), "no vision encoder 'vit_unheard_of'"),
        (lambda: random_vision("resnet18"), "no vision encoder 'resnet18'"),
        (
            lambda: random_text({"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 1}),
            "is no BERT-like encoder",
        ),
    ],
)
def test_what_cannot_be_an_encoder_is_one_line(build: Callable[..., Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_longer_than_the_position_table_is_one_line() -> None:
    encoder = random_text({"model_type": "roberta", **SMALL, "max_position_embeddings": 12, "pad_token_id": 1})
    encoder.embed(text(1, 10))
    with pytest.raises(ConfigError, match="a text of 11 tokens is longer than the encoder's 10"):
        encoder.embed(text(1, 11))


def test_a_recipe_builds_the_same_architecture_again() -> None:
    encoders = [
        random_text({"model_type": "roberta", **SMALL}),
        random_vision("deit_tiny_distilled_patch16_224", img_size=64, embed_dim=48, depth=2, num_heads=3),
    ]
    for encoder in encoders:
        again = instantiate(encoder.architecture_config())
        assert isinstance(again, TextEncoder | VisionEncoder)
        shapes = {name: value.shape for name, value in encoder.state_dict().items()}
        assert shapes == {name: value.shape for name, value in again.state_dict().items()}
