"""Curves and trackers: kept through a resume, one run of a tracker for each of ours, and no silent end."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb

from mkgc.errors import ConfigError
from mkgc.train import train
from tests.conftest import TINY


@pytest.mark.parametrize("into", [pytest.param("cut", marks=pytest.mark.slow), "elsewhere"])
def test_the_tensorboard_curve_of_a_resumed_run_is_whole(
    into: str, quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    train(quick("logger=tensorboard"), tmp_path / "whole")
    killed("on_validation_start", 2, quick("logger=tensorboard"), tmp_path / "cut")
    train(quick("logger=tensorboard", f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / into)
    assert _events(tmp_path / into) == _events(tmp_path / "whole")
    assert len(_events(tmp_path / "whole")) >= 4


def _events(folder: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curve = EventAccumulator(str(folder / "curves"))
    curve.Reload()
    return {event.step: event.value for event in curve.Scalars("dev/mrr")}


def test_tensorboard_is_asked_for_where_it_is_missing(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("mkgc.training.loggers.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"^logger=tensorboard writes with TensorBoard: pip install mkgc\[tensorboard\]$"
    ):
        train(quick("logger=tensorboard"), tmp_path)


class Tracker:
    """wandb's side: what was begun, logged and ended."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.ended: list[int] = []
        self.settings: list[dict[str, Any]] = []

    def init(self, **options: Any) -> Any:
        self.begun.append(options)
        config = SimpleNamespace(update=lambda values, **_: self.settings.append(values))
        end = lambda exit_code: self.ended.append(exit_code)  # noqa: E731
        return SimpleNamespace(id=options["id"], name="", config=config, log=lambda *_, **__: None, finish=end)


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Tracker:
    seen = Tracker()
    monkeypatch.setattr(wandb, "init", seen.init)
    return seen


def test_each_run_is_a_run_of_the_trackers_under_its_id_with_its_settings(
    quick: Callable[..., Any], tracker: Any, tmp_path: Path
) -> None:
    ids = [
        train(quick("logger=wandb", "task.epochs=1", f"seed={seed}"), tmp_path / str(seed))["run"] for seed in (0, 1)
    ]
    assert [begun["id"] for begun in tracker.begun] == ids
    assert tracker.ended == [0, 0]
    assert [settings["seed"] for settings in tracker.settings] == [0, 1]


def test_a_run_that_fails_ends_as_failed_and_goes_on_under_its_id(
    quick: Callable[..., Any], killed: Callable[..., Any], tracker: Any, tmp_path: Path
) -> None:
    killed("on_train_epoch_start", 1, quick("logger=wandb"), tmp_path / "cut")
    resumed = train(quick("logger=wandb", f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert tracker.ended == [1, 0]
    assert [begun["id"] for begun in tracker.begun] == [resumed["run"]] * 2


def test_streaming_without_a_login_is_one_line_before_data_are_read(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse() -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "login", refuse)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    config = quick("logger=wandb", "logger.offline=false", f"data.root={tmp_path / 'none'}")
    with pytest.raises(ConfigError, match="nobody is logged in: run `wandb login`, set WANDB_API_KEY, or leave"):
        train(config, tmp_path / "run")


def test_a_tracker_that_cannot_be_reached_is_one_line(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**_: object) -> None:
        raise wandb.errors.CommError("the service does not answer")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match="logger=wandb: the service does not answer"):
        train(quick("logger=wandb"), tmp_path / "run")


def test_what_a_tracker_does_not_take_does_not_end_the_training(
    quick: Callable[..., Any],
    tracker: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise wandb.errors.CommError("gone")

    monkeypatch.setattr("pytorch_lightning.loggers.WandbLogger.log_metrics", refuse)
    figures = train(quick("logger=wandb", "task.epochs=1"), tmp_path / "run")
    assert figures["epochs"] == 1
    assert "logger=wandb has not kept step" in capsys.readouterr().err


@pytest.mark.slow
def test_the_jobs_of_a_sweep_are_runs_of_one_group(kg_root: Path, tmp_path: Path) -> None:
    few = ("task=link_prediction", "backbone=kge/distmult", "task.epochs=1", "logger=wandb", "seed=0,1")
    command = [sys.executable, "-m", "mkgc.train", "-m", f"data.root={kg_root}", *TINY, *few, "hydra.sweep.dir=sweep"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folders = [path.name for path in sorted((tmp_path / "sweep").rglob("offline-run-*")) if path.is_dir()]
    assert len({name.rsplit("-", 1)[1] for name in folders}) == 2


def test_a_job_of_a_sweep_names_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from mkgc.training.loggers import WandbRun

    assert WandbRun("folder", "mkgc", "one")._wandb_init["group"] is None
    hydra = SimpleNamespace(mode=RunMode.MULTIRUN, sweep=SimpleNamespace(dir="runs/mre/sweep_1"))
    monkeypatch.setattr(HydraConfig, "initialized", staticmethod(lambda: True))
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: hydra))
    assert WandbRun("folder", "mkgc", "one")._wandb_init["group"] == "runs/mre/sweep_1"
    assert WandbRun("folder", "mkgc", "one", group="mine")._wandb_init["group"] == "mine"
