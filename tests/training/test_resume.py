"""A run that was killed and goes on ends as it would have ended, wherever it is continued."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from mkgc.errors import CheckpointError, ConfigError
from mkgc.train import train
from mkgc.training.bar import EpochBar
from mkgc.training.checkpoint import AtomicCheckpointIO, read
from mkgc.training.kept import KeepBest

ONCE = ("seconds", "run")
"""Figures that differ from run to run."""


def same(folder: Path, other: Path, name: str = "best.ckpt") -> bool:
    """Whether two checkpoints hold the same weights of the same epoch."""
    ours, theirs = read(folder / name), read(other / name)
    weights = all(torch.equal(value, theirs["state_dict"][key]) for key, value in ours["state_dict"].items())
    return weights and [ours[key] for key in ("epoch", "global_step")] == [theirs["epoch"], theirs["global_step"]]


def told(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if key not in ONCE}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "into"),
    [
        ("on_train_epoch_start", "elsewhere"),
        ("on_validation_start", "cut"),
        ("on_train_epoch_start", "cut"),
        ("on_validation_start", "elsewhere"),
    ],
)
def test_the_best_epoch_so_far_travels_with_the_run(
    hook: str, into: str, quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path
) -> None:
    scores(0.1, 0.9, 0.2, 0.3, 0.9, 0.8)
    whole = train(quick(), tmp_path / "whole")
    scores(0.1, 0.9, 0.2)
    killed(hook, 3, quick(), tmp_path / "cut")
    scores(0.3, 0.9, 0.8)
    resumed = train(quick(f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / into)
    assert read(tmp_path / into / "best.ckpt")["epoch"] == 1
    assert same(tmp_path / into, tmp_path / "whole")
    assert same(tmp_path / into, tmp_path / "whole", "last.ckpt")
    assert told(resumed) == told(whole)


def test_last_ckpt_alone_is_enough(
    quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path
) -> None:
    scores(0.9, 0.1)
    killed("on_train_epoch_start", 2, quick(), tmp_path / "cut")
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "cut" / "last.ckpt", tmp_path / "moved" / "last.ckpt")
    best = read(tmp_path / "cut" / "best.ckpt")
    shutil.rmtree(tmp_path / "cut")
    scores(0.2, 0.3, 0.9, 0.8)
    train(quick(f"resume={tmp_path / 'moved' / 'last.ckpt'}"), tmp_path / "new")
    kept = read(tmp_path / "new" / "best.ckpt")
    assert all(torch.equal(value, kept["state_dict"][name]) for name, value in best["state_dict"].items())
    assert kept["epoch"] == 0


def test_a_run_killed_between_its_two_checkpoints_goes_on_as_if_it_had_not_been(
    quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path
) -> None:
    scores(0.1, 0.2, 0.3, 0.4, 0.4, 0.8)
    whole = train(quick(), tmp_path / "whole")
    scores(0.1, 0.2, 0.3)
    killed("on_save_checkpoint", 2, quick(), tmp_path / "cut")  # called for last.ckpt alone, when best.ckpt is written
    assert read(tmp_path / "cut" / "best.ckpt")["epoch"] == read(tmp_path / "cut" / "last.ckpt")["epoch"] + 1
    scores(0.3, 0.4, 0.4, 0.8)
    resumed = train(quick(f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "cut")
    assert same(tmp_path / "cut", tmp_path / "whole")
    assert told(resumed) == told(whole)


@pytest.mark.parametrize("patience", [10, 1])
@pytest.mark.slow
def test_a_run_killed_while_it_is_tested_resumes_to_its_test(
    patience: int, quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path
) -> None:
    """With a patience of one it has ended early, and makes no epoch more than it would have made."""
    dev = (0.1, 0.9, 0.2) if patience == 1 else (0.1, 0.9, 0.2, 0.3)
    scores(*dev, 0.9, 0.8)
    whole = train(quick(f"patience={patience}"), tmp_path / "whole")
    scores(*dev, 0.9)
    killed("on_test_start", 0, quick(f"patience={patience}"), tmp_path / "cut")
    assert not (tmp_path / "cut" / "metrics.json").exists()
    scores(0.9, 0.8)
    resumed = train(quick(f"patience={patience}", f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert told(resumed) == told(whole)
    assert whole["epochs"] == len(dev)
    assert same(tmp_path / "new", tmp_path / "whole")


def test_a_finished_run_resumes_to_its_test(quick: Callable[..., Any], tmp_path: Path) -> None:
    whole = train(quick("task.epochs=2"), tmp_path / "whole")
    again = train(quick("task.epochs=2", f"resume={tmp_path / 'whole' / 'last.ckpt'}"), tmp_path / "new")
    assert told(again) == told(whole)
    assert again["run"] == whole["run"]


def test_patience_counts_on(quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path) -> None:
    scores(0.9, 0.1)
    killed("on_train_epoch_start", 2, quick("patience=2"), tmp_path / "cut")
    scores(0.2, 0.9, 0.8)
    resumed = train(quick("patience=2", f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert resumed["epochs"] == 3


def test_without_patience_every_epoch_is_made(quick: Callable[..., Any], scores: Any, tmp_path: Path) -> None:
    scores(0.9, 0.1, 0.1, 0.1, 0.9, 0.8)
    assert train(quick("patience=null"), tmp_path / "run")["epochs"] == 4


@pytest.mark.slow
def test_a_run_that_scores_dev_every_other_epoch_goes_on_from_any(
    quick: Callable[..., Any], killed: Callable[..., Any], scores: Any, tmp_path: Path
) -> None:
    keys = ("trainer.check_val_every_n_epoch=2", "task.epochs=6")
    scores(0.9, 0.1, 0.2, 0.9, 0.8)
    whole = train(quick(*keys), tmp_path / "whole")
    scores(0.9)
    killed("on_train_epoch_start", 3, quick(*keys), tmp_path / "cut")
    scores(0.1, 0.2, 0.9, 0.8)
    resumed = train(quick(*keys, f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert told(resumed) == told(whole)
    assert read(tmp_path / "new" / "best.ckpt")["epoch"] == 1


@pytest.mark.slow
def test_accumulated_gradients_and_counters_go_on(
    quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    keys = ("+trainer.accumulate_grad_batches=2", "data.batch_size=16")
    whole = train(quick(*keys), tmp_path / "whole")
    killed("on_train_epoch_start", 2, quick(*keys), tmp_path / "cut")
    resumed = train(quick(*keys, f"resume={tmp_path / 'cut' / 'last.ckpt'}"), tmp_path / "new")
    assert told(resumed) == told(whole)
    assert same(tmp_path / "new", tmp_path / "whole", "last.ckpt")


@pytest.mark.parametrize(
    ("hook", "times", "keys"),
    [
        ("on_train_batch_start", 9, ()),
        pytest.param("on_validation_start", 1, (), marks=pytest.mark.slow),
        pytest.param("on_train_batch_start", 3, (), marks=pytest.mark.slow),
        pytest.param("on_train_batch_start", 17, ("+trainer.accumulate_grad_batches=2",), marks=pytest.mark.slow),
        pytest.param("on_train_batch_start", 9, ("data.workers=2",), marks=pytest.mark.slow),
    ],
)
def test_a_run_that_saves_within_an_epoch_goes_on_with_the_same_batch(
    hook: str, times: int, keys: Any, quick: Callable[..., Any], killed: Callable[..., Any], tmp_path: Path
) -> None:
    keys = ("save_every=2", "data.batch_size=8", "task.epochs=3", *keys)
    whole = train(quick(*keys), tmp_path / "whole")
    killed(hook, times, quick(*keys), tmp_path / "cut")
    saved = read(tmp_path / "cut" / "last.ckpt")
    assert saved["global_step"] % 2 == 0
    assert saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] is False
    resumed = train(quick(*keys, f"resume={tmp_path / 'cut'}"), tmp_path / "new")
    assert told(resumed) == told(whole)
    assert same(tmp_path / "new", tmp_path / "whole", "last.ckpt")


def test_a_run_that_is_told_to_end_within_an_epoch_says_how_many_steps_are_saved(tmp_path: Path) -> None:
    kept = KeepBest(tmp_path, patience=None, save_every=1000)
    kept.saved, kept.epochs, kept.steps = tmp_path / "last.ckpt", 1, 3000
    assert kept.way_on(None).startswith("3,000 steps are saved: go on with the same keys and ")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_corpus_is_read_on_within_an_epoch_with_the_same_words_hidden(
    workers: int, tiny: Callable[..., Any], corpus_root: Path, killed: Callable[..., Any], tmp_path: Path
) -> None:
    keys = ("task.epochs=2", "data.batch_size=4", "save_every=4", f"data.workers={workers}")
    config = tiny("knowledge_pretraining", corpus_root, *keys)
    whole = train(config, tmp_path / "whole")
    killed("on_train_batch_start", 10, config, tmp_path / "cut")
    assert read(tmp_path / "cut" / "last.ckpt")["global_step"] == 8
    config.resume = str(tmp_path / "cut")
    assert told(train(config, tmp_path / "cut")) == told(whole)
    assert same(tmp_path / "cut", tmp_path / "whole", "last.ckpt")


@pytest.mark.slow
def test_the_time_of_all_parts_counts(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("task.epochs=1"), tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    contents = read(last)
    contents["run"]["seconds"] += 1000
    AtomicCheckpointIO().save_checkpoint(contents, last)
    assert 1000 < train(quick("task.epochs=1", f"resume={last}"), tmp_path / "new")["seconds"] < 2000


def test_weights_alone_are_no_run_to_go_on_with(quick: Callable[..., Any], tmp_path: Path) -> None:
    train(quick("task.epochs=1"), tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"best\.ckpt holds weights and no more: .* last\.ckpt; .* weights="):
        train(quick(f"resume={tmp_path / 'run' / 'best.ckpt'}"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("optim.lr=0.5", "optim.lr="),
        ("+optim.optimizer.eps=1e-6", "optim.optimizer.eps is here only"),
        ("data.batch_size=7", "data.batch_size=64 there, 7 here"),
        ("data.max_length=9", "data.max_length="),
        ("task.data.examples=triples", "task.data.examples=queries there, triples here"),
        ("task.vocab_size=9", "task.vocab_size=200 there, 9 here"),
        ("backbone.init_std=9", "backbone.init_std is here only"),
        ("protocol=paper", "protocol=strict there, paper here|task.data.protocol=strict there, paper here"),
        ("seed=3", "seed=0 there, 3 here"),
        ("smoke=true", "smoke=False there, True here"),
        ("+trainer.max_steps=3", "trainer.max_steps=-1 there, 3 here"),
    ],
)
def test_a_key_that_can_no_longer_take_effect_is_named_before_anything_is_read(
    word: str, said: str, quick: Callable[..., Any], ended: Path, tmp_path: Path
) -> None:
    word = f"+{word}" if word.startswith("backbone") else word
    with pytest.raises((CheckpointError, ConfigError), match=said):
        train(quick(f"data.root={tmp_path}/none", f"resume={ended}", word), tmp_path / "new")


@pytest.mark.slow
def test_a_key_that_takes_effect_is_applied_and_recorded(
    quick: Callable[..., Any], ended: Path, tmp_path: Path
) -> None:
    words = ("task.epochs=3", "patience=5", "logger=tensorboard", "data.workers=1", "task.model.top_k=3")
    figures = train(quick(*words, f"resume={ended}"), tmp_path / "new")
    assert figures["epochs"] == 3
    recorded = OmegaConf.load(tmp_path / "new" / "config.yaml")
    assert (recorded.task.epochs, recorded.patience, recorded.task.model.top_k) == (3, 5, 3)
    assert [*(tmp_path / "new" / "curves").glob("events.*")]


@pytest.fixture
def ended(quick: Callable[..., Any], tmp_path: Path) -> Path:
    """A run that has ended."""
    train(quick("task.epochs=2"), tmp_path / "ended")
    return tmp_path / "ended"


@pytest.mark.slow
def test_a_run_of_another_size_or_task_or_of_more_epochs_is_named(
    quick: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    train(quick("task.epochs=2"), tmp_path / "run")
    last = f"resume={tmp_path / 'run' / 'last.ckpt'}"
    with pytest.raises(
        CheckpointError, match="another network than the settings make: backbone.width=16 there, 8 here"
    ):
        train(quick("backbone.width=8", last), tmp_path / "new")
    with pytest.raises(CheckpointError, match="is a run of task=link_prediction, not of task=mre"):
        train(tiny("mre", mre_root, last), tmp_path / "new")
    with pytest.raises(ConfigError, match="has made 2 epochs already: task.epochs=1 must be at least 2"):
        train(quick("task.epochs=1", last), tmp_path / "new")


@pytest.mark.slow
def test_a_number_of_steps_ends_a_run_within_an_epoch_with_a_checkpoint(
    quick: Callable[..., Any], tmp_path: Path
) -> None:
    keys = ("data.batch_size=16", "+trainer.max_steps=5")
    figures = train(quick(*keys), tmp_path / "run")
    last = read(tmp_path / "run" / "last.ckpt")
    assert (last["global_step"], figures["epochs"]) == (5, 2)
    assert (tmp_path / "run" / "best.ckpt").is_file()
    again = train(quick(*keys, f"resume={tmp_path}/run"), tmp_path / "again")
    assert again["test"] == figures["test"]
    with pytest.raises(
        ConfigError, match=r"trainer.max_steps=5 and trainer.check_val_every_n_epoch=2 do not go together"
    ):
        train(quick(*keys, "trainer.check_val_every_n_epoch=2"), tmp_path / "new")


def test_a_run_that_stops_early_says_so(
    quick: Callable[..., Any], scores: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores(0.1, 0.9, 0.2, 0.9, 0.8)
    train(quick("patience=1"), tmp_path / "run")
    line = "no better dev/mrr than epoch 2's in 1 more (patience=1): training stops after epoch 3\n"
    assert line in capsys.readouterr().out


def test_the_bar_counts_epochs_from_one_and_shows_figures_alone() -> None:
    bar = EpochBar()
    bar._trainer = trainer = SimpleNamespace(max_epochs=6, loggers=[SimpleNamespace(version=3)])
    trainer.progress_bar_metrics = {"dev/f1": 0.5}
    assert bar._get_train_description(5).strip() == "Epoch 6/6"
    assert bar.get_metrics(trainer, None) == {"dev/f1": 0.5}


@pytest.mark.parametrize(
    ("task", "system"),
    [("mre", "pcnn"), ("mner", "cnn_bilstm_crf"), ("mner", "hbilstm_softmax")],
)
@pytest.mark.slow
def test_a_system_of_words_goes_on_as_if_it_had_not_been_killed(
    task: str, system: str, tiny: Callable[..., Any], roots: Any, killed: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny(task, roots[task], f"system={system}", "task.epochs=3")
    whole = train(config, tmp_path / "whole")
    killed("on_train_epoch_start", 2, config, tmp_path / "cut")
    config.resume = str(tmp_path / "cut")
    assert told(train(config, tmp_path / "cut")) == told(whole)
    assert same(tmp_path / "cut", tmp_path / "whole")
