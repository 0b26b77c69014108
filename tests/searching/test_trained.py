"""A trained model behind an index: what is found is what the model itself finds nearest, and no other model's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.images.decode import read_image
from mkgc.training.checkpoint import save
from tests.conftest import said

pytestmark = pytest.mark.slow


def test_an_index_finds_what_the_model_finds(
    made: Callable[..., Any], captions_root: Path, run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    model = made("retrieval", captions_root)[0]
    save(model, tmp_path / "one.ckpt")
    assert run("index", "checkpoint=one.ckpt", f"images={captions_root}/images", "output=found")[0] == 0
    files = sorted((captions_root / "images").rglob("*.png"))
    vectors = model.embed_images(torch.stack([torch.from_numpy(read_image(file, 32)) for file in files]), 4)
    for text in ("one of train", "二 of dev"):
        assert run("search", "index=found", f"text={text}", "output=answer.json", "top_k=100")[0] == 0
        found = {one["file"]: one["score"] for one in json.loads((tmp_path / "answer.json").read_text())["results"]}
        scores = (model.embed_texts([text], 1) @ vectors.T)[0].tolist()
        assert found == pytest.approx(dict(zip(map(str, files), scores, strict=True)), abs=1e-5)
        assert [*found.values()] == sorted(found.values(), reverse=True)


def test_an_index_of_other_weights_and_a_task_without_vectors_are_refused(
    made: Callable[..., Any],
    captions_root: Path,
    mre_root: Path,
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    for seed, name in enumerate(("one", "other")):
        torch.manual_seed(seed)
        save(made("retrieval", captions_root)[0], tmp_path / f"{name}.ckpt")
    save(made("mre", mre_root)[0], tmp_path / "relations.ckpt")
    images = f"images={captions_root}/images"
    assert run("index", "checkpoint=one.ckpt", images, "output=found")[0] == 0
    for command in (("search", "index=found", "text=a"), ("index", images, "output=found")):
        code, _, err = run(*command, "checkpoint=other.ckpt")
        assert code == 2
        assert "one.ckpt' (" in said(err)
        assert "and 'other.ckpt' (" in said(err)
    code, _, err = run("index", "checkpoint=relations.ckpt", images, "output=found2")
    assert code == 2
    assert "RelationExtraction gives texts and images no vectors of one space" in said(err)
