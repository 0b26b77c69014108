"""Multimodal systems as the commands know them: trained, scored and asked about records."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mkgc
from mkgc.data.dataset import read_dataset
from mkgc.train import train
from mkgc.training.checkpoint import build_task, restore
from tests.conftest import paint
from tests.steps import LATE

SCENE = {
    "objects": [{"name": "square", "attributes": ["red"], "box": [0, 0, 1, 1]}, {"name": "dot", "box": [0, 0, 0.5, 1]}],
    "relations": [[1, "in", 0]],
}
ASKED = {
    "mre": {"tokens": ["Ada", "and", "Bob", "."], "head": [0, 1], "tail": [2, 3]},
    "mner": {"tokens": ["We", "saw", "Paris", "Hilton"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", LATE)
@pytest.mark.parametrize("name", ["mre", "mner"])
def test_a_checkpoint_gives_the_same_network_without_its_data(
    name: str, backbone: str, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    config = tiny(name, roots[name], f"backbone={backbone}")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor).eval()
    batch = dataset.processor.collate(dataset.features["train"][:8], dataset.store)
    contents = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(contents)
    again, _ = restore(contents)
    assert type(again.backbone.fusion) is type(task.backbone.fusion)
    assert again.predict(batch) == task.predict(batch)


def test_spans_are_an_auxiliary_loss_of_entity_recognition_alone(
    roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    parts = {}
    for name in ("mre", "mner"):
        config = tiny(name, roots[name], "backbone=umt")
        dataset = read_dataset(config)
        task = build_task(config, dataset.processor)
        losses = task.losses(dataset.processor.collate(dataset.features["train"][:8], dataset.store))
        parts[name] = set(losses)
        if name == "mner":
            torch.testing.assert_close(task._total(losses), losses["tags"] + 0.5 * losses["spans"])
    assert parts == {"mre": {"relation"}, "mner": {"tags", "spans"}}


def test_pieces_have_no_spans_to_be_detected(mner_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("mner", mner_root, "backbone=umt", "task.model.pooling=pieces")
    with pytest.raises(Exception, match="task.model.pooling=pieces: this backbone detects spans of words"):
        build_task(config, read_dataset(config).processor)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "backbone"), [("mre", "mega"), ("mner", "umt")])
def test_a_run_is_scored_and_asked_about_records(
    name: str, backbone: str, roots: dict[str, Path], tiny: Callable[..., Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    figures = train(tiny(name, roots[name], f"backbone={backbone}", "task.epochs=2"), tmp_path / "run")
    scored = mkgc.evaluate(checkpoint=tmp_path / "run", split="test")
    assert scored["f1"] == pytest.approx(figures["test"]["f1"])
    asked, answers = tmp_path / "ask.jsonl", tmp_path / "answers.jsonl"
    seen = ASKED[name] | {"scene": SCENE}
    records = [seen, ASKED[name], seen | {"dependencies": [2, 0, 2, 2]}]
    asked.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, _, err = run("predict", f"checkpoint={tmp_path}/run", f"input={asked}", f"output={answers}")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(rows) == 3
    if backbone == "mega":
        assert len({str(row["scores"]) for row in rows}) == 3
    paint(tmp_path / "red.png", "red")
    asked.write_text(json.dumps(seen | {"image": "red.png"}))
    code, _, err = run("explain", f"checkpoint={tmp_path}/run", f"input={asked}", f"output={tmp_path}/why")
    assert (code, err) == (0, "")
    (told,) = json.loads((tmp_path / "why" / "explanations.json").read_text())["records"]
    assert any("image" in part["part"] for part in told["left_out"])
    asked.write_text(json.dumps(ASKED[name] | {"scene": {"objects": [{"name": "dot"}]}}))
    code, _, err = run("predict", f"checkpoint={tmp_path}/run", f"input={asked}", f"output={answers}")
    assert code == 2
    assert err == f"mkgc: {asked}:1: the key 'box' is missing in 'objects'\n"
