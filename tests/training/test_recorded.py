"""What a test run keeps of each example."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from mkgc.data.dataset import read_dataset
from mkgc.data.examples import Span
from mkgc.relations.example import RelationExample
from mkgc.relations.recorded import describe as describe_relation
from mkgc.train import train
from mkgc.training.datamodule import DataModule
from mkgc.training.recorded import recorded_predictions
from mkgc.training.run import PREDICTIONS
from tasks.mner.example import TaggedExample
from tasks.mner.recorded import describe as describe_entities


def kept(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / PREDICTIONS).read_text("utf-8").splitlines()]


def f1(rows: list[dict[str, Any]]) -> float:
    right, predicted, gold = (sum(column) for column in zip(*(row["counts"] for row in rows), strict=True))
    return 2 * right / (predicted + gold)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mre", "mner"])
def test_a_run_keeps_what_it_predicted_of_each_test_example_in_the_order_of_the_data(
    task: str, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny(task, roots[task], "task.epochs=1", "data.batch_size=3")
    figures = train(config, tmp_path / "run")
    rows, examples = kept(tmp_path / "run"), read_dataset(config).examples["test"]
    assert [(row["id"], row["text"]) for row in rows] == [(e.id, " ".join(e.tokens)) for e in examples]
    assert [row["images"] for row in rows] == [
        {"image": [str(path.relative_to(roots[task])) for path in e.images["image"]]} for e in examples
    ]
    assert f1(rows) == pytest.approx(figures["test"]["f1"], abs=1e-6)
    assert all(0 <= row[key] <= 1 for row in rows for key in ("score", "gold_score"))


def test_the_probabilities_are_those_of_the_model(mre_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    import mkgc

    train(tiny("mre", mre_root, "task.epochs=1"), tmp_path / "run")
    rows = kept(tmp_path / "run")
    asked = [
        {"tokens": row["text"].split(), "head": row["head"], "tail": row["tail"], "image": row["images"]["image"]}
        for row in rows
    ]
    for row, answer in zip(rows, mkgc.load(tmp_path / "run").predict(asked, mre_root), strict=True):
        assert row["predicted"] == answer["relation"]
        assert row["scores"] == pytest.approx(answer["scores"], abs=1e-5)
        assert (row["score"], row["gold_score"]) == (max(row["scores"].values()), row["scores"][row["gold"]])


@pytest.mark.parametrize("pooling", ["words", "pieces"])
def test_entities_have_the_probabilities_that_predictions_say(
    pooling: str, mner_root: Path, made: Callable[..., Any]
) -> None:
    task, dataset, _ = made("mner", mner_root, f"task.model.pooling={pooling}")
    batch = task.processor.collate(dataset.features["test"], dataset.store)
    with torch.no_grad():
        recorded = task.record(batch, task.update_metric(batch, task.metrics["test"]))
        marginals = task._marginals(batch, task.scores(batch))
        expected = task.predict(batch)
    rows = task.describe(recorded, dataset.examples["test"])
    for i, (row, answer) in enumerate(zip(rows, expected, strict=True)):
        named = [(e["type"], e["start"], e["end"], e["score"]) for e in row["predicted"]]
        assert named == [
            (e["type"], e["start"], e["end"], pytest.approx(e["score"], abs=1e-5)) for e in answer["spans"]
        ]
        tags = [task.states.index(tag) for tag in dataset.examples["test"][i].tags]
        assert row["gold_score"] == pytest.approx(
            min(float(marginals[i, w, tag]) for w, tag in enumerate(tags)), abs=1e-5
        )


def test_a_relation_that_is_none_counts_neither_as_predicted_nor_as_gold() -> None:
    ada = RelationExample("7", ("Ada", "Lee", "met", "Bob"), Span(0, 2), Span(3, 4), "knows")
    likely = {"None": 0.7, "knows": 0.2, "likes": 0.1}
    row = describe_relation(ada, likely, "None")
    assert row == {
        "head": "Ada Lee", "tail": "Bob", "gold": "knows", "predicted": "None",
        "score": 0.7, "gold_score": 0.2, "scores": likely, "counts": [0, 0, 1],
    }  # fmt: skip
    counts = [
        describe_relation(replace(ada, relation=gold), {"None": 0.2, "knows": 0.8}, null)["counts"]
        for gold, null in (("knows", "None"), ("None", "None"), ("knows", None))
    ]
    assert counts == [[1, 1, 1], [0, 1, 0], [1, 1, 1]]


def test_an_entity_is_right_by_its_type_and_both_ends() -> None:
    tweet = TaggedExample("7", ("New", "York", "and", "Ada"), ("B-LOC", "I-LOC", "O", "B-PER"))
    row = describe_entities(tweet, ["B-LOC", "O", "O", "B-PER"], [0.5, 0.6, 1.0, 0.75], [0.5, 0.25, 1.0, 0.75])
    assert row["predicted"] == [
        {"type": "LOC", "start": 0, "end": 1, "score": 0.5},
        {"type": "PER", "start": 3, "end": 4, "score": 0.75},
    ]
    assert (row["counts"], row["score"], row["gold_score"]) == ([1, 2, 2], 0.5, 0.25)


def test_an_image_that_could_not_be_used_is_none_that_was_shown(mre_root: Path, made: Callable[..., Any]) -> None:
    (mre_root / "img_org" / "test" / "1.png").write_bytes(b"no image")
    task, dataset, _ = made("mre", mre_root)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.test(task, DataModule(dataset, 3, 0), verbose=False)
    rows = recorded_predictions(task, dataset)
    assert [bool(row["images"]) for row in rows] == [True, False, *[True] * 6]


def test_a_smoke_run_keeps_the_examples_that_it_tested(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mkgc.training.smoke.BATCH", 3)
    config = tiny("mre", mre_root, "smoke=true")
    train(config, tmp_path / "run")
    assert [row["id"] for row in kept(tmp_path / "run")] == ["0", "3", "7"]


@pytest.mark.slow
def test_a_run_that_goes_on_has_no_predictions_of_an_earlier_test(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("mre", mre_root, "task.epochs=1"), tmp_path / "run")
    (tmp_path / "run" / PREDICTIONS).write_text("of another time")
    train(tiny("mre", mre_root, "task.epochs=1", "overwrite=true", "seed=1"), tmp_path / "run")
    assert len(kept(tmp_path / "run")) == 8
    assert (tmp_path / "run" / ".replaced" / "1" / PREDICTIONS).read_text() == "of another time"
