"""Images are varied whole, each on its own, and only while training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.batch import Images
from mkgc.errors import ConfigError
from mkgc.images.augment import augment
from mkgc.train import train

SIZE = 8
PIXELS = torch.arange(SIZE * SIZE, dtype=torch.uint8).reshape(1, 1, SIZE, SIZE).expand(200, 3, -1, -1)
IMAGES = Images("image", PIXELS, torch.arange(200)[:, None])


def test_half_of_the_images_are_mirrored() -> None:
    out = augment(IMAGES, flip=True, translate=0.0).pixels
    mirrored = (out == PIXELS.flip(-1)).flatten(1).all(1)
    assert ((out == PIXELS).flatten(1).all(1) | mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_images_move_by_no_more_than_the_share_and_keep_their_edge() -> None:
    out = augment(IMAGES, flip=False, translate=0.25).pixels[:, 0].int()
    down, right = out[:, 4, 4] // SIZE - 4, out[:, 4, 4] % SIZE - 4
    assert (down.min(), down.max(), right.min(), right.max()) == (-2, 2, -2, 2)
    for image, y, x in zip(out, down.tolist(), right.tolist(), strict=True):
        rows, columns = ((torch.arange(SIZE) + by).clamp(0, SIZE - 1) for by in (y, x))
        assert torch.equal(image, PIXELS[0, 0].int()[rows][:, columns])


def test_no_images_are_no_trouble() -> None:
    none = Images("image", PIXELS[:0], torch.empty(3, 0, dtype=torch.long))
    assert augment(none, flip=True, translate=0.5).pixels.shape == (0, 3, SIZE, SIZE)


def test_training_varies_its_images_and_evaluation_does_not(
    tiny: Callable[..., Any], mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(
        "mkgc.training.task.augment", lambda images, flip, translate: calls.append((flip, translate)) or images
    )
    train(tiny("mre", mre_root, "task.epochs=1", "data.flip=true", "data.translate=0.1", "data.batch_size=8"), tmp_path)
    assert calls == [(True, 0.1)] * 3


def test_kept_states_and_varied_images_exclude_each_other(
    tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"^data\.flip and data\.translate make every image a new one"):
        train(tiny("mre", mre_root, "data.flip=true", "backbone.side_trainable_layers=1"), tmp_path)
