"""Exported towers have the vectors of their checkpoint, need no torch, and say what is wrong with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.errors import CheckpointError, ConfigError
from mkgc.exported import runner
from mkgc.exported.manifest import NAME
from mkgc.exported.runner import ExportedTowers
from mkgc.exported.towers import export_towers
from mkgc.searching.encoder import open_encoder
from mkgc.training.checkpoint import save

RESNET = "backbone.vision={_target_: mkgc.encoders.resnet.random_resnet, layers: [1, 1, 1, 1], width: 8, img_size: 64}"


@pytest.fixture
def towers(made: Callable[..., Any], captions_root: Path) -> Any:
    return made("retrieval", captions_root, "backbone.text_pooling=mean")[0].eval()


def drawn(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 3, size, size), np.uint8)


def check_same(task: Any, exported: ExportedTowers) -> None:
    size = exported.image_size
    for count in (1, 7):
        texts = [f"第{row} picture " * (3 * row + 1) for row in range(count)]
        ours = task.embed_texts(texts, 3), task.embed_images(torch.from_numpy(drawn(count, size)), 3)
        theirs = exported.embed_texts(texts), exported.embed_images(drawn(count, size))
        for found, expected in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_exported_towers_are_the_checkpoints_and_run_without_torch(
    towers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert export_towers(towers, tmp_path / "onnx") <= 1e-4
    assert {path.name for path in (tmp_path / "onnx").iterdir()} >= {NAME, "text.onnx", "vision.onnx"}
    exported = open_encoder(tmp_path / "onnx", batch_size=4)
    assert isinstance(exported, ExportedTowers)
    assert (exported.digest, exported.image_size, exported.fit) == (towers.embedding_digest, 32, "stretch")
    check_same(towers, exported)
    assert exported.embed_texts([]).shape == exported.embed_images(drawn(0, 32)).shape == (0, 128)
    code = f"""
import sys
from mkgc.searching.encoder import open_encoder
rows = open_encoder({str(tmp_path / "onnx")!r}).embed_texts(["第1 picture"])
assert not {{"torch", "transformers", "timm"}} & sys.modules.keys()
print(rows[0, :3].tolist())
"""
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    np.testing.assert_allclose(json.loads(printed), towers.embed_texts(["第1 picture"], 1)[0, :3].numpy(), atol=1e-4)
    with pytest.raises(ConfigError, match="device=gpu: exported towers run on the CPU"):
        open_encoder(tmp_path / "onnx", "gpu")
    check_damage(tmp_path / "onnx", monkeypatch)


def check_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runner, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
        with pytest.raises(ConfigError, match=r"pip install mkgc\[onnx\]"):
            ExportedTowers(folder).embed_texts(["a"])
    cut = (folder / "vision.onnx").read_bytes()[:-10]
    (folder / "vision.onnx").write_bytes(cut)
    assert len(ExportedTowers(folder).embed_texts(["a"])) == 1
    with pytest.raises(CheckpointError, match=r"vision\.onnx' is damaged or of another export"):
        ExportedTowers(folder).embed_images(drawn(1, 32))
    (folder / "text.onnx.data").unlink()
    with pytest.raises(CheckpointError, match=r"text\.onnx\.data' is damaged"):
        ExportedTowers(folder).embed_texts(["a"])
    said = json.loads((folder / NAME).read_text(encoding="utf-8"))
    for wrong, message in (
        ("{", "is damaged"),
        (json.dumps(said | {"fit": "odd"}), "is damaged"),
        (json.dumps(said | {"format": "mkgc exported towers 0"}), "of another version of mkgc"),
    ):
        (folder / NAME).write_text(wrong, encoding="utf-8")
        with pytest.raises(CheckpointError, match=message):
            ExportedTowers(folder)


@pytest.mark.slow
def test_the_command_exports_a_resnet_too_and_replaces_its_own_folder_alone(
    made: Callable[..., Any], captions_root: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    task = made("retrieval", captions_root, RESNET)[0].eval()
    save(task, tmp_path / "best.ckpt")
    words = [f"checkpoint={tmp_path}/best.ckpt", f"output={tmp_path}/onnx"]
    code, out, _ = run("export", *words)
    assert code == 0
    assert "exported: both towers into" in out
    check_same(task, ExportedTowers(tmp_path / "onnx"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    code, _, err = run("export", words[0], f"output={tmp_path}/full")
    assert (code, "has something else in it" in err) == (2, True)


def test_a_checkpoint_without_two_towers_is_refused(made: Callable[..., Any], mre_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no two towers to export in this checkpoint"):
        export_towers(made("mre", mre_root)[0], tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
