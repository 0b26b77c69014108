"""Curves and trackers: kept through a resume, one run of a tracker for each of ours, and no silent end."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from pytorch_lightning.loggers import Logger

from mkgc.analysis.predictions import Prediction
from mkgc.errors import ConfigError
from mkgc.tracking.results import Results, confused, shown
from mkgc.train import train
from mkgc.training.loggers import WandbRun
from mkgc.training.run import Run
from tests.conftest import TINY, paint


@pytest.mark.slow
@pytest.mark.parametrize("into", ["cut", "elsewhere"])
def test_the_tensorboard_curve_of_a_resumed_run_is_whole(
    into: str, quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.summary.writer.event_file_writer import AtomicCounter

    # TensorBoard reads files in the order of their names: second, process, and a number that it counts to 10 here
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer._global_uid", AtomicCounter(0))
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
        self.rows: list[dict[str, Any]] = []
        self.metrics: dict[str, dict[str, Any]] = {}
        self.summary: dict[str, Any] = {}

    def init(self, **options: Any) -> Any:
        self.begun.append(options)
        config = SimpleNamespace(update=lambda values, **_: self.settings.append(values))
        summary = SimpleNamespace(update=self.summary.update)
        return SimpleNamespace(
            id=options["id"],
            name="",
            config=config,
            summary=summary,
            log=self.rows.append,
            define_metric=lambda name, **told: self.metrics.update({name: told}),
            finish=lambda exit_code: self.ended.append(exit_code),
        )


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
    assert [settings["seed"] for settings in tracker.settings if "seed" in settings] == [0, 1]


@pytest.mark.slow
def test_a_run_that_fails_ends_as_failed_and_goes_on_under_its_id(
    quick: Callable[..., Any], killed: Callable[..., Any], tracker: Any, tmp_path: Path
) -> None:
    killed("on_train_epoch_start", 1, quick("logger=wandb"), tmp_path / "cut")
    resumed = train(quick("logger=wandb", f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert tracker.ended == [1, 0]
    assert [begun["id"] for begun in tracker.begun] == [resumed["run"]] * 2


def test_figures_are_told_with_their_direction_the_size_and_what_made_them(
    quick: Callable[..., Any], tracker: Any, tmp_path: Path
) -> None:
    figures = train(quick("logger=wandb", "task.epochs=1"), tmp_path / "run")
    assert tracker.metrics["dev/mrr"]["summary"] == "max,last"
    assert tracker.metrics["train/loss"]["summary"] == "min,last"
    (facts,) = (settings["run"] for settings in tracker.settings if "run" in settings)
    assert facts["parameters"] == facts["trainable_parameters"] > 0
    assert facts["train_examples"] > 0
    assert tracker.summary["figures/test.mrr"] == figures["test"]["mrr"]
    logged = {key for row in tracker.rows for key in row}
    assert {"train/loss", "lr", "dev/mrr", "test/mrr", "train/examples_per_second"} <= logged


def test_predictions_are_a_table_of_a_bounded_number(quick: Callable[..., Any], tracker: Any, tmp_path: Path) -> None:
    train(quick("logger=wandb", "task.epochs=1"), tmp_path / "run")
    (table,) = (row["test/predictions"] for row in tracker.rows if "test/predictions" in row)
    assert len(table.data) == 24, "two for each of twelve triples"
    assert table.columns == ["id", "image", "text", "gold", "predicted", "right", "score"]
    assert {row[1] for row in table.data} == {None}, "a model of structure reads no images"


def test_a_prediction_is_shown_with_its_image_and_what_was_confused(tracker: Any, tmp_path: Path) -> None:
    paint(tmp_path / "0.png", "red")
    rows = [
        Prediction(str(i), ("Ada",), {"image": (f"{i}.png",)}, "likes", answer, 0.5, 0.5, (1 - i, 1, 1), {})
        for i, answer in enumerate(("likes", "knows"))
    ]
    logger = WandbRun(str(tmp_path), "mkgc", "one")
    logger.begin(Run(tmp_path))
    logger.show(Results({"test": {"f1": 0.5}}, shown(rows, tmp_path), confused(rows)))
    table, images, plot = (value for row in tracker.rows for value in row.values())
    assert [image._caption for image in images] == ["Ada: likes ✓"]
    assert [type(row[1]).__name__ for row in table.data] == ["Image", "NoneType"], "the second one is not there"
    assert [row[2:6] for row in table.data] == [["Ada", "likes", "likes", True], ["Ada", "likes", "knows", False]]
    assert ["likes", "knows", 1] in plot.table.data


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (None, "nobody is logged in (run `wandb login`, or set WANDB_API_KEY)"),
        (wandb.errors.AuthenticationError("the service does not answer"), "the service does not answer"),
    ],
)
def test_a_run_that_cannot_stream_is_kept_offline(
    why: Any,
    said: str,
    quick: Callable[..., Any],
    tracker: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def login(prompt: bool) -> bool:
        assert not prompt, "nobody is there to answer"
        if why is not None:
            raise why
        return False

    monkeypatch.setattr(wandb, "login", login)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    figures = train(quick("logger=wandb", "logger.offline=false", "task.epochs=1"), tmp_path / "run")
    assert figures["epochs"] == 1
    assert [begun["mode"] for begun in tracker.begun] == ["offline"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"logger=wandb: {said}: the run is kept offline, and `wandb sync {tmp_path}/run/wandb/")


def test_a_service_that_does_not_answer_later_keeps_the_run_offline_too(
    quick: Callable[..., Any],
    tracker: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def init(**options: Any) -> Any:
        if options.get("mode") != "offline":
            raise wandb.errors.CommError("the service does not answer")
        return tracker.init(**options)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    train(quick("logger=wandb", "logger.offline=false", "task.epochs=1"), tmp_path / "run")
    assert tracker.ended == [0]
    assert "the service does not answer: the run is kept offline" in capsys.readouterr().err


HOOKS = ("begin", "describe", "show", "end", "log_metrics", "log_hyperparams", "save", "finalize")


class Broken(Logger):
    """Raises where a test says, each time that it is called there."""

    label = "logger=broken"
    where: str

    def __init__(self, save_dir: str) -> None:
        super().__init__()

    def _called(self, name: str) -> None:
        if name == self.where:
            raise RuntimeError("the disk is gone")

    name = version = None
    log_metrics = log_hyperparams = lambda *_, **__: None  # replaced below: the class must have them


def _hook(name: str) -> Any:
    return lambda self, *_, **__: self._called(name)


for name in HOOKS:
    setattr(Broken, name, _hook(name))


@pytest.mark.slow
@pytest.mark.parametrize("where", HOOKS)
def test_a_tracker_that_fails_anywhere_stops_no_run(
    where: str,
    quick: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Broken, "where", where, raising=False)
    config = quick("logger._target_=tests.training.test_loggers.Broken", "task.epochs=2")
    monkeypatch.setattr("mkgc.train._check", lambda config: None)  # the target is no package's
    figures = train(config, tmp_path / "run")
    assert figures["epochs"] == 2
    assert (tmp_path / "run" / "metrics.json").is_file()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("logger=broken has failed, and the run goes on without it: RuntimeError: the disk is gone")


def test_a_run_is_not_ended_by_curves_that_cannot_be_written(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytorch_lightning.loggers.CSVLogger.log_metrics", full)
    assert train(quick("task.epochs=2"), tmp_path / "run")["epochs"] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("logger=csv has failed, and the run goes on without it: OSError: [Errno 28] No space left")


@pytest.mark.slow
def test_a_model_that_reads_text_and_images_is_shown_with_what_it_confused_and_why(
    tiny: Callable[..., Any], mre_root: Path, tracker: Any, tmp_path: Path
) -> None:
    train(tiny("mre", mre_root, "task.epochs=1", "logger=wandb"), tmp_path / "run")
    shown = {key: value for row in tracker.rows for key, value in row.items() if key.startswith("test/")}
    assert len(shown["test/predictions"].data) == len(shown["test/examples"]) == 8
    assert len(shown["test/explanations"]) == 3
    assert "test/confusion" in shown


@pytest.mark.slow
def test_tensorboard_shows_settings_facts_and_predictions(quick: Callable[..., Any], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(quick("logger=tensorboard", "task.epochs=1", "seed=3"), tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "curves"))
    events.Reload()
    texts = {
        tag: events.Tensors(f"{tag}/text_summary")[0].tensor_proto.string_val[0].decode()
        for tag in ("run/settings", "run/facts", "test/figures", "test/predictions")
    }
    assert "    seed: 3" in texts["run/settings"]
    assert "trainable&#95;parameters" in texts["run/facts"]
    assert "test.mrr" in texts["test/figures"]
    assert len(texts["test/predictions"].splitlines()) == 2 + 24
    assert events.Tags()["images"] == ["test/predictions/0", "test/predictions/1"]
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert {"train/loss", "lr", "dev/mrr", "test/mrr"} <= {*events.Tags()["scalars"]}


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
