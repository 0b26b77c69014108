"""Runs as a user starts them, in processes of their own: loggers without a network, two processes, a sweep."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mkgc.analysis.queries import Queries
from tests.conftest import TINY
from tests.steps import JUDGED, TEACHER

pytestmark = pytest.mark.slow


def started(folder: Path, *arguments: str, task: str = "mre") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkgc.train", *arguments, f"task={task}", *TINY, "task.epochs=1"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("logger", ["csv", "tensorboard", "wandb"])
def test_every_logger_works_without_network_or_account(logger: str, mre_root: Path, tmp_path: Path) -> None:
    done = started(tmp_path, f"data.root={mre_root}", f"logger={logger}", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert any(
        name.startswith({"csv": "metrics.csv", "tensorboard": "events", "wandb": "run-"}[logger]) for name in kept
    )


def test_two_processes_count_every_example_once(mre_root: Path, tmp_path: Path) -> None:
    done = started(
        tmp_path,
        f"data.root={mre_root}",
        "trainer.devices=2",
        "+trainer.strategy=ddp",
        "hydra.run.dir=run",
        "data.batch_size=3",
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    tested = (mre_root / "txt" / "ours_test.txt").read_text().splitlines()
    gold = [line for line in tested if "'None'" not in line]
    assert figures["test"]["support"] == len(gold)
    assert (tmp_path / "run" / "best.ckpt").is_file()
    kept = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    assert [row["id"] for row in kept] == [str(i) for i in range(8)]  # none twice, none missing, in the data's order
    assert [row["gold"] for row in kept] == [ast.literal_eval(line)["relation"] for line in tested]
    assert sum(row["counts"][2] for row in kept) == len(gold)


def test_two_processes_keep_every_ranked_query_once(kg_root: Path, tmp_path: Path) -> None:
    two = ("trainer.devices=2", "+trainer.strategy=ddp", "hydra.run.dir=run", "data.batch_size=3")
    done = started(tmp_path, f"data.root={kg_root}", "backbone=kge/distmult", *two, task="link_prediction")
    assert done.returncode == 0, done.stderr
    queries = Queries.load(tmp_path / "run" / "queries.npz")
    assert sorted(queries.table["side"].tolist()) == [0] * 12 + [1] * 12
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert queries.metrics()["mrr"] == pytest.approx(figures["test"]["mrr"], abs=1e-6)


def same_of_one_and_two(folder: Path, task: str, *keys: str, two: tuple[str, ...] = (), near: float = 1e-6) -> None:
    """Checks that two processes with batches of four learn, and score, what one does with batches of eight.

    ``near`` is how far figures may differ. Without dropout, and by plain gradients, whose sizes Adam would hide.
    """
    plain = [f"size.text.config.{kind}_dropout_prob=0.0" for kind in ("hidden", "attention_probs")]
    plain += ["optim.optimizer._target_=torch.optim.SGD", "optim.lr=0.1"]
    both = ("trainer.devices=2", "+trainer.strategy=ddp", "data.batch_size=4", *two)
    learned, figures = {}, {}
    for name, own in (("two", both), ("one", ("data.batch_size=8",))):
        done = started(folder, f"hydra.run.dir={name}", *keys, *plain, *own, task=task)
        assert done.returncode == 0, done.stderr
        learned[name] = torch.load(folder / name / "last.ckpt", weights_only=True)["state_dict"]
        figures[name] = json.loads((folder / name / "metrics.json").read_text())
    for name, value in learned["one"].items():
        same = {"rtol": 0, "atol": 1e-5}
        torch.testing.assert_close(learned["two"][name], value, **same, msg=lambda said, name=name: f"{name}: {said}")
    assert figures["two"]["test"] == pytest.approx(figures["one"]["test"], rel=near, abs=near)


def test_two_processes_learn_from_pairs_what_one_does(captions_root: Path, tmp_path: Path) -> None:
    """Each compares its pairs with the other's, so that a batch of two processes is one of twice as many pairs."""
    data = ("data=jsonl", f"data.root={captions_root}")
    same_of_one_and_two(tmp_path, "retrieval", *data, two=("task.model.chunk=3",))


POEMS = {"poetry_pretraining": (TEACHER,), "poetry_retrieval": (TEACHER, JUDGED, "task.model.learn=true")}


@pytest.mark.parametrize("task", POEMS)
def test_two_processes_learn_from_poems_what_one_does(task: str, poems_root: Path, tmp_path: Path) -> None:
    """Losses are means over hidden pieces, or over judged poems, of which each process has another number."""
    same_of_one_and_two(tmp_path, task, f"data.root={poems_root}", *POEMS[task], near=1e-5)


def test_a_sweep_leaves_a_folder_for_each_job(mre_root: Path, tmp_path: Path) -> None:
    done = started(tmp_path, "-m", f"data.root={mre_root}", "backbone.fused=1,2", "hydra.sweep.dir=sweep")
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / "sweep" / job / "metrics.json").is_file() for job in ("0", "1")] == [True, True]
