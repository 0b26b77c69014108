"""A run's folder holds what is its own: what lay there before is moved aside, and never shown under its settings."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import mkgc
from mkgc.errors import CheckpointError, ConfigError, DataError
from mkgc.evaluate import evaluate
from mkgc.reports.found import read_runs
from mkgc.reports.training_curves import read_curves
from mkgc.train import train
from mkgc.training import run as module
from mkgc.training.checkpoint import read
from mkgc.training.run import Run
from tests.conftest import composed, said


def test_a_killed_run_in_a_reused_folder_has_no_figures_of_the_former(
    quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    first = train(quick("task.epochs=1"), tmp_path / "same")
    killed("on_train_epoch_start", 1, quick("backbone.width=8", "overwrite=true"), tmp_path / "same")
    left = {path.name for path in (tmp_path / "same").iterdir()}
    assert left == {"config.yaml", "best.ckpt", "last.ckpt", "curves", "train.log", ".replaced"}
    (job,) = read_runs([tmp_path / "same"])
    assert job.figures == {}
    assert job.setting("backbone.width") == 8
    former = json.loads((tmp_path / "same" / ".replaced" / "1" / "metrics.json").read_text())
    assert former["test"] == first["test"]


def test_no_run_is_overwritten_unless_that_is_said(
    quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    """Told before anything is read: there are no data at that place."""
    killed("on_train_epoch_start", 1, quick(), tmp_path / "cut")
    train(quick("task.epochs=1"), tmp_path / "ended")
    nowhere = f"data.root={tmp_path}/none"
    for name, kind in (("cut", "an unfinished"), ("ended", "a finished")):
        with pytest.raises(ConfigError, match=f"{name} holds {kind} run: give resume=auto .* overwrite=true .* folder"):
            train(quick(nowhere), tmp_path / name)
        with pytest.raises(DataError, match="no such folder"):
            train(quick(nowhere, "overwrite=true"), tmp_path / name)
    with pytest.raises(ConfigError, match="ended holds a finished run"):
        train(quick(nowhere, f"resume={tmp_path}/cut"), tmp_path / "ended")


@pytest.mark.slow
def test_a_run_that_may_go_on_begins_or_goes_on_in_its_folder(
    quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    whole = train(quick(), tmp_path / "whole")
    killed("on_train_epoch_start", 2, quick("resume=auto"), tmp_path / "cut")
    contents = read(tmp_path / "cut" / "last.ckpt")
    figures = train(quick("resume=auto"), tmp_path / "cut")
    assert figures["run"] == contents["run"]["id"]
    assert figures["test"] == whole["test"]
    assert not (tmp_path / "cut" / ".replaced").exists()


@pytest.mark.slow
def test_a_run_that_may_go_on_is_told_where(run: Callable[..., Any]) -> None:
    code, _, err = run("train", "resume=auto", "data.root=nowhere")
    assert code == 2
    assert said(err).endswith("and this is a new one: give hydra.run.dir=DIR")
    for word in (("hydra.run.dir=here",), ("-m", "hydra.sweep.dir=here")):
        code, _, err = run("train", *word, "resume=auto", "data.root=nowhere", "data.atlas_seed=null")
        assert (code, "nowhere" in said(err)) == (2, True)


@pytest.mark.slow
def test_a_folder_of_a_run_stands_for_its_checkpoint(quick: Callable[..., Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    figures = train(quick("task.epochs=1"), run)
    assert train(quick("task.epochs=1", f"resume={run}"), tmp_path / "on")["run"] == figures["run"]
    assert train(quick("task.epochs=1", f"weights={run}"), tmp_path / "new")["run"] != figures["run"]
    assert evaluate(composed(f"checkpoint={run}", name="evaluate")) == pytest.approx(figures["test"])
    record = {"head": "name 3", "relation": "near"}
    assert mkgc.load(run).predict([record]) == mkgc.load(run / "best.ckpt").predict([record])
    (tmp_path / "empty").mkdir()
    for key in ("resume", "weights"):
        with pytest.raises(CheckpointError, match="no checkpoint at '.*/empty/(last|best).ckpt'"):
            train(quick(f"data.root={tmp_path}/none", f"{key}={tmp_path}/empty"), tmp_path / "other")


def test_figures_say_what_made_them(quick: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["/bin/python3", "-m", "mkgc.train", "task=mre", "data.root=a b"])
    train(quick("task.epochs=1"), tmp_path / "run")
    made_by = json.loads((tmp_path / "run" / "metrics.json").read_text())["provenance"]
    assert made_by["command"] == "python -m mkgc.train task=mre 'data.root=a b'"
    assert made_by["version"]
    if (Path(module.__file__).parents[1] / ".git").exists():
        assert re.fullmatch("[0-9a-f]{40}", made_by["commit"])
        assert made_by["dirty"] in (True, False)


@pytest.mark.slow
def test_figures_say_what_they_were_reached_on(quick: Callable[..., Any], kg_root: Path, tmp_path: Path) -> None:
    """The data and the protocol, which a report does not mix; and whether more is better."""
    first = train(quick("task.epochs=1"), tmp_path / "first")
    again = train(quick("task.epochs=1", "data.shots=5", "protocol=paper", "data.images={}"), tmp_path / "again")
    assert re.fullmatch("[0-9a-f]{16}", first["data"])
    assert (again["data"], again["mode"]) == (first["data"], "max")
    assert (first["protocol"], again["protocol"]) == ("strict", "paper")
    test = kg_root / "test.tsv"
    test.write_text("".join(test.read_text().splitlines(keepends=True)[1:]))
    assert train(quick("task.epochs=1"), tmp_path / "other")["data"] != first["data"]


@pytest.mark.slow
def test_a_run_is_run_again_from_its_config_yaml(
    run: Callable[..., Any], quick: Callable[..., Any], tmp_path: Path
) -> None:
    first = train(quick("task.epochs=2", "optim.lr=0.01"), tmp_path / "first")
    again = ("--config-dir", str(tmp_path / "first"), "--config-name", "config")
    code, _, err = run("train", *again, "hydra.run.dir=again")
    assert code == 0, err
    figures = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert (figures["test"], figures["epochs"]) == (first["test"], 2)
    assert figures["run"] != first["run"]
    code, _, err = run("train", *again, "hydra.run.dir=longer", "task.epochs=3")
    assert json.loads((tmp_path / "longer" / "metrics.json").read_text())["epochs"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"first", "again", "longer", "kg"}
    same, other = (one.leaves() for one in read_runs([tmp_path])[:2])
    assert same == other


def test_figures_of_another_run_than_the_settings_are_not_shown(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("task.epochs=1"), tmp_path / "one")
    train(quick("task.epochs=1"), tmp_path / "two")
    (tmp_path / "one" / "metrics.json").replace(tmp_path / "two" / "metrics.json")
    _, mixed = read_runs([tmp_path])
    assert (mixed.figures, mixed.problem) == ({}, "its figures are another run's than its settings")


def test_every_replaced_run_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        aside = Run(tmp_path).claim()
        assert aside == (tmp_path / ".replaced" / str(number) if number else None)
        (tmp_path / "best.ckpt").write_text(str(number))
    assert (tmp_path / ".replaced" / "2" / "best.ckpt").read_text() == "1"


def test_what_is_no_runs_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert Run(tmp_path).claim() is None
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_mistake_leaves_an_earlier_run_alone(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("task.epochs=1"), tmp_path / "same")
    before = sorted(path.name for path in (tmp_path / "same").rglob("*"))
    with pytest.raises(ConfigError, match="seed=-1"):
        train(quick("seed=-1"), tmp_path / "same")
    assert sorted(path.name for path in (tmp_path / "same").rglob("*")) == before


def test_figures_settings_and_checkpoint_have_one_id(quick: Callable[..., Any], tmp_path: Path) -> None:
    figures = train(quick("task.epochs=1"), tmp_path / "run")
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").run == figures["run"]
    assert train(quick("task.epochs=1"), tmp_path / "other")["run"] != figures["run"]


@pytest.mark.parametrize("into", ["cut", "elsewhere"])
@pytest.mark.slow
def test_the_csv_curve_of_a_resumed_run_is_the_uninterrupted_ones(
    into: str, quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    train(quick(), tmp_path / "whole")
    killed("on_validation_start", 2, quick(), tmp_path / "cut")
    train(quick(f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / into)
    assert _curve(tmp_path / into) == _curve(tmp_path / "whole")
    (one,) = read_runs([tmp_path / into])
    seconds = [place for place, _ in read_curves(one).timed]
    assert len(seconds) == 4
    assert [0, *seconds, one.figures["seconds"]] == sorted([0, *seconds, one.figures["seconds"]])


def test_a_finished_run_that_is_tested_again_has_each_row_once(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("task.epochs=2"), tmp_path / "run")
    before = _curve(tmp_path / "run")
    train(quick("task.epochs=2", f"resume={tmp_path / 'run' / 'last.ckpt'}"), tmp_path / "run")
    assert _curve(tmp_path / "run") == before


def _curve(folder: Path) -> list[dict[str, str]]:
    """The rows, but for how fast each epoch was."""
    with (folder / "curves" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    timed = {"train/seconds", "train/examples_per_second"}
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]
