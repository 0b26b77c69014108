"""Vectors of images: each usable image once, alone, and as timm has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from torch.testing import assert_close

from mkgc.data.settings import DataSettings
from mkgc.encoders.vision import VisionEncoder, normalise, random_vision
from mkgc.images import features
from mkgc.images.features import image_vectors
from mkgc.images.loaded import LoadedImages
from mkgc.kge.ikrl import IKRL
from mkgc.kge.rsme import RSME

SIZES = {"image": 32, "crops": 16}
OPTIONS: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three images and a file that is none."""
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "green", "blue")]
    for path in paths:
        Image.new("RGB", (40, 40), path.stem).save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    return [*paths, broken]


def encoder(**more: object) -> VisionEncoder:
    torch.manual_seed(0)
    return random_vision("vit_tiny_patch16_224", **OPTIONS, **more)


def store_of(files: list[Path]) -> LoadedImages:
    return LoadedImages({"image": files, "crops": files}, SIZES)


def test_vectors_are_those_of_timm_for_each_image_on_its_own(files: list[Path]) -> None:
    red, green, blue, broken = files
    images = [{"image": (red, blue)}, {}, {"image": (broken, green), "crops": (red,)}, {"image": (red,)}]
    vision, store = encoder(), store_of(files)
    vectors, owners = image_vectors(images, store, SIZES, vision)
    assert owners.tolist() == [0, 0, 2, 2, 3]
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True, num_classes=0, **OPTIONS).eval()
    asked = [(red, 32), (blue, 32), (green, 32), (red, 16), (red, 32)]
    for vector, (path, size) in zip(vectors, asked, strict=True):
        row = store.index(path, size)
        assert row is not None
        pixels = normalise(store.take([row], size), vision.mean, vision.std)
        with torch.no_grad():
            assert_close(vector, model.forward_features(pixels)[0, 0], atol=1e-5, rtol=1e-5)


def test_without_a_class_token_a_image_is_the_mean_of_its_patches(files: list[Path]) -> None:
    vision = encoder(class_token=False, global_pool="avg")
    vectors, _ = image_vectors([{"image": tuple(files[:1])}], store_of(files), SIZES, vision)
    torch.manual_seed(0)
    options: dict[str, Any] = {**OPTIONS, "class_token": False, "global_pool": "avg"}
    model = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True, num_classes=0, **options).eval()
    store = store_of(files)
    pixels = normalise(store.take([0], 32), vision.mean, vision.std)
    with torch.no_grad():
        assert_close(vectors[0], model.forward_features(pixels)[0].mean(0), atol=1e-5, rtol=1e-5)


def test_each_distinct_image_is_read_once_whatever_the_batches(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    vision, images = encoder(), [{"image": tuple(files[:3])}] * 5
    whole, _ = image_vectors(images, store_of(files), SIZES, vision)
    monkeypatch.setattr(features, "BATCH", 2)
    read: list[int] = []
    embed = vision.embed
    monkeypatch.setattr(vision, "embed", lambda images: read.append(len(images[0].slots)) or embed(images))
    parts, _ = image_vectors(images, store_of(files), SIZES, vision)
    assert read == [2, 1]
    assert_close(parts, whole)


def test_the_encoder_neither_learns_nor_changes_its_mode(files: list[Path]) -> None:
    vision = encoder(drop_path_rate=0.5).train()
    one, _ = image_vectors([{"image": tuple(files[:3])}], store_of(files), SIZES, vision)
    other, _ = image_vectors([{"image": tuple(files[:3])}], store_of(files), SIZES, vision)
    assert vision.training
    assert not one.requires_grad
    assert_close(one, other)


def test_a_graph_without_images_has_no_vectors(files: list[Path]) -> None:
    vectors, owners = image_vectors([{}, {}], store_of(files), SIZES, encoder())
    assert vectors.shape == (0, 16)
    assert owners.shape == (0,)


def test_a_model_looks_once_and_restores_without_its_encoder(files: list[Path]) -> None:
    images = [{"image": (files[0],)}, {"image": (files[1],)}, {}]
    triples, settings = torch.tensor([[0, 0, 1], [1, 0, 2]]), DataSettings("nowhere", images=SIZES)
    for kind in (IKRL, RSME):
        model = kind(3, 2, 4, vision=encoder())
        weights = {key: value.clone() for key, value in model.named_parameters()}
        model.prepare(images, triples, store_of(files), settings)
        assert model.owners.tolist() == [0, 1]
        assert_close(dict(model.named_parameters()), weights)  # an optimiser may have them already
        assert not any("vision" in key or "stem" in key for key in model.state_dict())
        once = model.state_dict()
        model.prepare(images, triples, store_of(files), settings)
        assert_close(dict(model.state_dict()), dict(once))
        again = kind(3, 2, 4, vision=None)
        again.load_state_dict(once)
        assert_close(again.score(*triples.T), model.score(*triples.T))
