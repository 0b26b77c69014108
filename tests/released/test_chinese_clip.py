"""Chinese-CLIP out of both public layouts, against transformers' model and cn-clip's on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor
from transformers import ChineseCLIPConfig, ChineseCLIPModel

from mkgc.app.config import check
from mkgc.batch import Images, Text
from mkgc.encoders.resnet import ResNetEncoder
from mkgc.errors import CheckpointError, ConfigError
from mkgc.models.dual_encoder import DualEncoder
from mkgc.released import chinese_clip
from mkgc.training.checkpoint import open_trained
from mkgc.training.trust import Trust
from tests.conftest import composed

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"山水的诗画大小船月光"]
TEXT: dict[str, Any] = {
    "vocab_size": len(PIECES),
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "intermediate_size": 96,
    "max_position_embeddings": 20,
}


@pytest.fixture
def texts() -> Text:
    ids = torch.randint(5, len(PIECES), (3, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(7) < torch.tensor([7, 3, 5])[:, None]
    return Text(ids * mask, mask, torch.zeros_like(ids))


def pictures(size: int) -> list[Images]:
    pixels = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(2))
    return [Images("image", pixels, torch.arange(3)[:, None])]


def drawn(model: torch.nn.Module) -> Any:
    """Weights that no initialisation leaves at zero or one, so that every one of them counts."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.is_floating_point() and name != "logit_scale":
                torch.nn.init.normal_(value, std=0.1)
                value.copy_(value.abs() + 0.5) if name.endswith("running_var") else None
        model.logit_scale.fill_(3.5)
    return model.eval()


def of_transformers(folder: Path, **vision: Any) -> Any:
    sizes = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 80}
    config = ChineseCLIPConfig(
        text_config=TEXT | {"num_attention_heads": 4},
        vision_config=sizes | {"image_size": 32, "patch_size": 8} | vision,
        projection_dim=16,
    )
    model = drawn(ChineseCLIPModel(config))
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    return model


def of_cn_clip(path: Path, layers: Any = 2, patch: int | None = 8, size: int = 32, width: int = 64) -> Any:
    cn_clip = pytest.importorskip("cn_clip.clip.model")
    text = {f"text_{name}": value for name, value in TEXT.items() if name not in ("vocab_size",)}
    dropouts = {"text_attention_probs_dropout_prob": 0.1, "text_hidden_dropout_prob": 0.1}
    model = cn_clip.CLIP(
        embed_dim=16,
        image_resolution=size,
        vision_layers=layers,
        vision_width=width,
        vision_patch_size=patch,
        vocab_size=TEXT["vocab_size"],
        text_hidden_act="gelu",
        text_initializer_range=0.02,
        text_type_vocab_size=2,
        **text,
        **dropouts,
    )
    drawn(model)
    torch.save({"state_dict": {f"module.{name}": value for name, value in model.state_dict().items()}}, path)
    return model


def built(weights: Path) -> DualEncoder:
    return DualEncoder(
        chinese_clip.text_tower(str(weights)),
        chinese_clip.vision_tower(str(weights)),
        space=chinese_clip.space(str(weights)),
    ).eval()


def check_same(model: DualEncoder, text: Text, images: list[Images], theirs: Callable[..., Tensor], seen: Any) -> None:
    torch.testing.assert_close(model.encode_text(text), F.normalize(theirs(text), dim=-1), **near)
    torch.testing.assert_close(model.encode_image(images), F.normalize(seen(images[0].pixels), dim=-1), **near)
    assert model.scale.item() == pytest.approx(torch.tensor(3.5).exp().item(), rel=1e-6)


@pytest.mark.parametrize("vision", [{}, {"hidden_act": "gelu", "image_size": 48}])
def test_a_folder_of_transformers_is_its_model(vision: dict[str, Any], texts: Text, tmp_path: Path) -> None:
    theirs = of_transformers(tmp_path, **vision)

    def encode(text: Text) -> Tensor:
        return theirs.text_projection(theirs.text_model(text.ids, text.mask).last_hidden_state[:, 0])

    def see(pixels: Tensor) -> Tensor:
        return theirs.visual_projection(theirs.vision_model(pixels).pooler_output)

    check_same(built(tmp_path), texts, pictures(vision.get("image_size", 32)), encode, see)


@pytest.mark.parametrize(
    "sizes", [{}, {"layers": [1, 2, 1, 1], "patch": None, "size": 64, "width": 8}], ids=["ViT", "ResNet"]
)
def test_a_file_of_cn_clip_is_its_model(sizes: dict[str, Any], texts: Text, tmp_path: Path) -> None:
    theirs = of_cn_clip(tmp_path / "clip_cn.pt", **sizes)
    ours = built(tmp_path / "clip_cn.pt")
    assert isinstance(ours.vision, ResNetEncoder) == ("layers" in sizes)
    check_same(
        ours, texts, pictures(sizes.get("size", 32)), lambda text: theirs.encode_text(text.ids), theirs.encode_image
    )


def test_projections_that_flash_attention_joined_are_read(texts: Text, tmp_path: Path) -> None:
    of_cn_clip(tmp_path / "clip_cn.pt")
    model = pytest.importorskip("cn_clip.clip.model")
    state = torch.load(tmp_path / "clip_cn.pt")["state_dict"]
    torch.save(model.convert_state_dict(dict(state)), tmp_path / "flash.pt")
    plain, joined = built(tmp_path / "clip_cn.pt"), built(tmp_path / "flash.pt")
    torch.testing.assert_close(joined.encode_text(texts), plain.encode_text(texts), **near)
    torch.testing.assert_close(joined.encode_image(pictures(32)), plain.encode_image(pictures(32)), **near)


def backbone(weights: Path, *keys: str) -> tuple[Any, Any]:
    config = composed("task=mre", "backbone=chinese_clip", f"size.weights={weights}", *keys)
    node = OmegaConf.to_container(config.backbone, resolve=True)
    node.pop("inputs")
    return config, node


def test_the_backbone_is_a_choice_of_configuration_and_a_checkpoint_needs_no_weights(
    texts: Text, tmp_path: Path
) -> None:
    of_transformers(tmp_path)
    _, node = backbone(tmp_path, "backbone.vision_trainable_layers=0")
    model = instantiate(node, text={"vocabulary": len(PIECES)}).eval()
    assert not any(p.requires_grad for p in [*model.vision.parameters(), *model.project_image.parameters()])
    again = {**node, **model.architecture_configs()}
    assert str(tmp_path) not in str(again)
    copy = instantiate(again).eval()
    copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(copy.encode_text(texts), model.encode_text(texts), **near)
    torch.testing.assert_close(copy.encode_image(pictures(32)), model.encode_image(pictures(32)), **near)


def test_weights_that_nobody_names_are_asked_for_by_their_key() -> None:
    with pytest.raises(ConfigError, match=r"^size\.weights has no value: give size\.weights=…$"):
        check(composed("task=retrieval", "backbone=chinese_clip"))


def test_what_a_checkpoint_describes_is_trusted(tmp_path: Path) -> None:
    of_cn_clip(tmp_path / "clip_cn.pt", layers=[1, 1, 1, 1], patch=None, size=64, width=8)
    parts = built(tmp_path / "clip_cn.pt").architecture_configs()
    for key in ("text", "vision"):
        Trust()._check_target(f"backbone.{key}", parts[key])


def test_tokenisers_of_a_folder_and_of_word_pieces_are_one(tmp_path: Path) -> None:
    of_transformers(tmp_path)
    folder, pieces = tmp_path, tmp_path / "vocab.txt"
    ours = chinese_clip.tokens([], str(folder)), chinese_clip.tokens([], str(folder / "none.pt"), str(pieces))
    assert ours[0].size == ours[1].size == len(PIECES)
    assert len({tuple(one.ids("山水的 Q 月光")) for one in ours}) == 1


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda state: state.pop("text_projection.weight"),
            "space of .* does not fit: missing project_text",
        ),
        (lambda state: state.pop("text_model.embeddings.word_embeddings.weight"), "no whole Chinese-CLIP"),
        (lambda state: state.update(strange=torch.zeros(1)), "space of .* does not fit: left over strange"),
        (lambda state: state.update({"text_model.odd": torch.zeros(1)}), "text_model.odd"),
        (lambda state: state.pop("vision_model.post_layernorm.bias"), "missing stem.norm.bias"),
        (lambda state: state.pop("visual_projection.weight"), "in neither layout"),
    ],
)
def test_what_is_wrong_with_the_weights_is_said(spoil: Callable[..., Any], said: str, tmp_path: Path) -> None:
    theirs = of_transformers(tmp_path)
    state = theirs.state_dict()
    spoil(state)
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises((CheckpointError, ConfigError), match=said):
        built(tmp_path)


def test_images_that_cannot_be_cut_into_patches_are_said(tmp_path: Path) -> None:
    of_transformers(tmp_path)
    with pytest.raises(ConfigError, match="images of 30 pixels a side: patches are 8 pixels wide, so choose 32, say"):
        built(tmp_path).encode_image(pictures(30))


def test_a_folder_without_weights_or_words_and_a_file_without_word_pieces_are_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights in"):
        chinese_clip.vision_tower(str(tmp_path))
    with pytest.raises(CheckpointError, match="no file of weights at"):
        chinese_clip.vision_tower(str(tmp_path / "none.pt"))
    with pytest.raises(ConfigError, match="size.tokenizer.vocabulary=|no tokeniser beside it"):
        chinese_clip.tokens([], str(tmp_path / "clip_cn.pt"))
    of_transformers(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"no config\.json that can be read"):
        chinese_clip.text_tower(str(tmp_path))


def test_released_weights_become_a_checkpoint_of_retrieval(
    captions_root: Path, texts: Text, tmp_path: Path, run: Callable[..., Any]
) -> None:
    theirs = of_cn_clip(tmp_path / "clip_cn.pt")
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    files = f"input={tmp_path}/clip_cn.pt", f"output={tmp_path}/ours.ckpt", f"tokenizer={tmp_path}/vocab.txt"
    data = "data=jsonl", f"data.root={captions_root}", "data.max_length=16"
    code, out, err = run("convert", "task=retrieval", *files, *data)
    assert (code, err) == (0, "")
    assert "converted: retrieval of the released Chinese-CLIP" in out
    (tmp_path / "clip_cn.pt").unlink()
    model, _ = open_trained(tmp_path / "ours.ckpt")
    assert model.processor.settings.images == {"image": 32}
    backbone = model.backbone
    check_same(backbone, texts, pictures(32), lambda text: theirs.encode_text(text.ids), theirs.encode_image)
