"""A smoke run does each step of a run to a handful of things, and says what it is wherever it is seen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.evaluate import evaluate
from mkgc.predict import predict
from mkgc.reports.found import read_runs
from mkgc.reports.runs import list_runs
from mkgc.train import train
from mkgc.training.checkpoint import read
from mkgc.training.smoke import BATCH, HANDFUL
from tests.conftest import composed
from tests.test_train import ASKED

LINKS = "link_prediction"
KINDS = [
    ("mre", ()),
    ("mner", ()),
    (LINKS, ()),
    (LINKS, ("backbone=kg_bert",)),
    (LINKS, ("backbone=kge/distmult",)),
    (LINKS, ("backbone=kge/rsme",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "keys"), KINDS)
def test_every_kind_of_model_makes_every_step(
    task: str, keys: tuple[str, ...], roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    figures = train(tiny(task, roots[task], *keys, "smoke=true", "task.epochs=50"), tmp_path / "run")
    contents = read(tmp_path / "run" / "last.ckpt")
    assert (figures["epochs"], contents["global_step"], figures["smoke"]) == (1, HANDFUL // BATCH, True)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["smoke"] is True
    assert all(value.isfinite().all() for value in contents["state_dict"].values())
    assert ("calibration" in figures) == (task == LINKS)


@pytest.mark.slow
def test_stage_1_and_ranking_read_a_handful(
    kg_root: Path, tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.link_prediction.stage1.HANDFUL", 3)
    monkeypatch.setattr("tasks.link_prediction.sequences.HANDFUL", 3)
    assert train(tiny(LINKS, kg_root, "smoke=true"), tmp_path / "prompts")["before"]["stage1/recognised"] in (
        pytest.approx(n / 3) for n in range(4)
    )
    read_triples: list[int] = []
    judge = "tasks.link_prediction.sequences.SequencePrediction.judge"
    monkeypatch.setattr(
        judge, lambda self, triples, *_: (read_triples.append(len(triples)), torch.zeros(len(triples)))[1]
    )
    model = tiny(LINKS, kg_root, "smoke=true", "backbone=kg_bert", "task.model.top_k=1")
    train_only_tested(model, tmp_path / "sequences", monkeypatch)
    assert max(read_triples) <= BATCH * 4


def train_only_tested(config: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose scores are the test's own learns nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("tasks.link_prediction.ranked.Ranked.trains", property(lambda _: False))
        train(config, folder)


def test_what_a_smoke_run_left_says_so(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny("mre", mre_root, "smoke=true"), tmp_path / "run")
    assert "mre, smoke run: training" in capsys.readouterr().out
    (tmp_path / "in.jsonl").write_text(json.dumps(ASKED["mre"]) + "\n")
    files = {"checkpoint": "run", "input": "in.jsonl", "output": "out.jsonl"}
    predict(composed(*(f"{key}={tmp_path / name}" for key, name in files.items()), name="predict"))
    line = f"'{tmp_path}/run/best.ckpt' is of a smoke run (smoke=true): what it answers means nothing\n"
    assert capsys.readouterr().err.endswith(line)
    ((row,),) = (table.rows for table in list_runs(read_runs([tmp_path])))
    assert any("(smoke run)" in str(cell) for cell in row)


@pytest.mark.slow
def test_evaluating_can_be_a_smoke_run(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny("mre", mre_root, "task.epochs=1", "overwrite=true"), tmp_path / "run")
    capsys.readouterr()
    evaluate(composed(f"checkpoint={tmp_path / 'run'}", "smoke=true", "split=dev", name="evaluate"))
    assert "smoke run: a handful of examples is scored" in capsys.readouterr().out
