"""A line an epoch where no bar can be shown, and the same lines in train.log."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from mkgc.train import train
from mkgc.training.curves import log_interval, rates
from mkgc.training.log import RunLog
from mkgc.training.progress import EpochLines
from mkgc.training.run import Run
from tests.conftest import TINY

LINE = re.compile(
    r"epoch (\d)/4: loss (\d+\.\d{4}), dev mrr (0\.\d{4})(?:, [a-z@0-9]+ -?[\d.,]+)+; "
    r"[\d,]+ examples/s(?:, (\d:\d\d) left)?"
)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("epoch ")]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_epoch_is_a_line_of_the_output_and_of_the_runs_log(
    quick: Callable[..., Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = train(quick(), tmp_path / "run")
    printed = lines(capsys.readouterr().out)
    found = [LINE.fullmatch(line) for line in printed]
    assert [match and match[1] for match in found] == ["1", "2", "3", "4"], printed
    assert [match[4] is None for match in found] == [False, False, False, True], "at the end no time is left"
    logged = (tmp_path / "run" / "train.log").read_text().splitlines()
    assert logged[1:-1] == printed
    assert logged[0].startswith("link_prediction: training 0.0 M parameters on ")
    assert logged[-1].startswith(f"link_prediction: test mrr {figures['test']['mrr']:.4f}; ")


def test_the_line_says_the_mean_loss_and_devs_figures_of_its_epoch(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("data.batch_size=16"), tmp_path / "run")
    for match in map(LINE.fullmatch, lines((tmp_path / "run" / "train.log").read_text())):
        epoch = [row for row in rows(tmp_path / "run") if int(row["epoch"]) == int(match[1]) - 1]
        losses = [float(row["train/loss"]) for row in epoch if row["train/loss"]]
        assert len(losses) > 2
        assert float(match[2]) == pytest.approx(sum(losses) / len(losses), abs=1e-4)
        score = next(float(row["dev/mrr"]) for row in epoch if row["dev/mrr"])
        assert float(match[3]) == pytest.approx(score, abs=1e-4)


def test_where_dev_was_not_scored_the_line_does_not_repeat_its_figures(
    quick: Callable[..., Any], tmp_path: Path
) -> None:
    train(quick("trainer.check_val_every_n_epoch=2"), tmp_path / "run")
    said = lines((tmp_path / "run" / "train.log").read_text())
    assert ["dev mrr" in line for line in said] == [False, True, False, True]


@pytest.mark.slow
def test_a_run_that_goes_on_appends_to_its_log_wherever_it_lies(
    quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    killed("on_train_epoch_start", 2, quick(), tmp_path / "cut")
    for folder in ("new", "cut"):
        train(quick(f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / folder)
        log = (tmp_path / folder / "train.log").read_text().splitlines()
        assert [line.partition("/")[0] for line in log if line.startswith("epoch ")] == [
            f"epoch {i}" for i in (1, 2, 3, 4)
        ]
        assert log[3] == f"goes on from {tmp_path / 'cut'} after epoch 2"


def test_a_bar_takes_the_place_of_lines_on_a_terminal(
    quick: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    train(quick("task.epochs=1", "trainer.enable_progress_bar=true"), tmp_path / "run")
    assert lines(capsys.readouterr().out) == []
    assert len(lines((tmp_path / "run" / "train.log").read_text())) == 1


def test_other_processes_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loader = type("Loader", (), {"dataset": [0] * 10, "__len__": lambda _: 5})()
    trainer = SimpleNamespace(is_global_zero=False, train_dataloader=loader, callback_metrics={"train/loss": 1.0})
    callback, logged = EpochLines(tmp_path, printed=True), {}
    callback.on_train_epoch_start(trainer, None)
    callback.on_train_batch_end(trainer)
    callback.on_train_epoch_end(trainer, SimpleNamespace(log=lambda key, value, **_: logged.update({key: value})))
    assert logged["train/examples_per_second"] > 0
    assert capsys.readouterr().out == ""
    assert [*tmp_path.iterdir()] == []


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(
    quick: Callable[..., Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = RunLog(tmp_path)
    (tmp_path / "train.log").mkdir()
    log.begin(Run(tmp_path, tmp_path, 1))
    log.write("more")
    err = capsys.readouterr().err
    assert err.count("train.log cannot be written, and the run goes on without it: ") == 1


@pytest.mark.slow
def test_the_lines_of_a_sweep_name_their_job(run: Callable[..., Any], kg_root: Path, tmp_path: Path) -> None:
    few = ("task=link_prediction", "backbone=kge/distmult", "task.epochs=1", "hydra.sweep.dir=sweep")
    code, out, err = run("train", "-m", f"data.root={kg_root}", *TINY, *few, "seed=0,1")
    assert code == 0, err
    assert [line[:17] for line in out.splitlines() if ", epoch " in line] == [f"job {i}, epoch 1/1:" for i in (0, 1)]
    assert len(lines((tmp_path / "sweep" / "1" / "train.log").read_text())) == 1


def test_short_runs_have_a_point_for_each_step_and_long_ones_one_in_fifty() -> None:
    assert [log_interval(steps) for steps in (1, 30, 199, 200, 5000, 10**6)] == [1, 1, 1, 2, 50, 50]


@pytest.mark.slow
def test_the_loss_and_the_rate_are_drawn_in_a_run_of_a_few_steps(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("data.batch_size=16", "optim.warmup=0.5"), tmp_path / "run")
    steps = [row for row in rows(tmp_path / "run") if row["train/loss"]]
    drawn = [float(row["lr"]) for row in steps]
    assert len(drawn) > 8
    assert drawn[0] == 0
    assert max(drawn) in drawn[len(drawn) // 2 - 1 : len(drawn) // 2 + 1], "half of the steps warm up"
    train(quick("data.batch_size=16", "+trainer.log_every_n_steps=4"), tmp_path / "less")
    assert len([row for row in rows(tmp_path / "less") if row["train/loss"]]) == len(steps) // 4


def test_a_rate_of_its_own_is_a_curve_of_its_own() -> None:
    groups = [{"lr": 0.1, "initial_lr": 1.0}, {"lr": 0.1, "initial_lr": 1.0}, {"lr": 0.5, "initial_lr": 5.0}]
    assert rates([SimpleNamespace(param_groups=groups)], 1.0) == {"lr": 0.1, "lr/head": 0.5}
    assert rates([SimpleNamespace(param_groups=groups[:2])], 1.0) == {"lr": 0.1}
