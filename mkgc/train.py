"""`python -m mkgc.train task=NAME`: read, train, then test the checkpoint that was best on dev."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from mkgc.app import calls, command
from mkgc.app.command import exit_on_user_error
from mkgc.app.files import write_json
from mkgc.app.folders import drop_stale
from mkgc.app.packages import CONF
from mkgc.app.provenance import provenance
from mkgc.app.signals import is_first
from mkgc.app.sweeps import check_processes
from mkgc.errors import ConfigError
from mkgc.terminal import say
from mkgc.training.run import AUTO, BEST, Run, check_free, resumed_from, write_settings
from mkgc.training.trainer import build_trainer

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from mkgc.data.dataset import Dataset
    from mkgc.training.datamodule import DataModule
    from mkgc.training.ledger import Ledger
    from mkgc.training.start import Start
    from mkgc.training.task import Task


def train(config: DictConfig, folder: Path) -> dict[str, Any]:
    """One training run, or one after the other where there are stages; the last one lies in ``folder``.

    Returns:
        The figures that its ``metrics.json`` holds.
    """
    from mkgc.training.stages import plan_stages

    _check(config)
    stages = plan_stages(config, folder)
    for stage in stages:
        _check(stage.config)
        _placed(stage.config, stage.folder)
    for stage in stages:
        if stage.number and is_first():
            say(f"stage {stage.number}, into {stage.folder}")
        figures = _train(stage.config, stage.folder, config if stage is stages[-1] else stage.config)
    return figures


def _train(config: DictConfig, folder: Path, written: DictConfig) -> dict[str, Any]:
    """Leaves ``best.ckpt``, ``metrics.json`` and the settings as they are ``written`` in ``folder``."""
    import pytorch_lightning as pl
    import torch

    from mkgc.data.dataset import read_dataset
    from mkgc.tracking.facts import gather_facts
    from mkgc.training.checkpoint import build_task
    from mkgc.training.ledger import Ledger
    from mkgc.training.smoke import few, shortened
    from mkgc.training.start import Start
    from mkgc.training.trainer import compile_task, logged, telling_the_way_on

    made_by = provenance()
    settings = _placed(config, folder)
    config = shortened(settings) if settings.smoke else settings
    trainer = build_trainer(config, folder)
    check_processes(trainer.num_devices)
    start = Start.of(config)
    run = _identify(config, folder, start)
    trainer.callbacks.append(ledger := Ledger(run))
    if config.size.threads is not None:
        torch.set_num_threads(config.size.threads)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    dataset = read_dataset(config, tokenizer=None if start is None else start.tokenizer)
    task = build_task(config, dataset.processor)
    notes = [] if start is None else start.enter(task)
    if config.trainer.compile:
        compile_task(task)
    if trainer.is_global_zero:
        _claim(run, written)
        dataset.show()
        for note in notes:
            say(note)
    dataset = few(dataset) if config.smoke else dataset
    if trainer.is_global_zero:
        _announce(config, run, task, dataset)
    made_of = {"data": dataset.source.digest(), "protocol": dataset.protocol, "graph": dataset.graph}
    made_of = {key: value for key, value in made_of.items() if value}
    facts = gather_facts(OmegaConf.to_container(config, resolve=True), task, dataset, made_by | made_of)
    with telling_the_way_on(trainer, config.resume), logged(trainer, run, facts):
        figures = _learn(config, folder, trainer, task, dataset, ledger, start)
        figures |= _about(config, task, dataset, ledger) | {"provenance": made_by} | made_of
        if trainer.is_global_zero:
            _finish(config, folder, trainer, task, dataset, figures)
    return figures


def _learn(
    config: DictConfig,
    folder: Path,
    trainer: pl.Trainer,
    task: Task,
    dataset: Dataset,
    ledger: Ledger,
    start: Start | None,
) -> dict[str, Any]:
    """Trains the network and tests it; returns the figures of dev and test, and what preceded training."""
    from mkgc.training.datamodule import DataModule
    from mkgc.training.diverged import check_weights
    from mkgc.training.frozen import keep_states
    from mkgc.training.kept import place_of

    task.to(trainer.strategy.root_device)  # Lightning would move it, but only to fit it
    dataset = dataset if config.smoke else keep_states(task, dataset, trainer)
    place = place_of(start.contents) if start is not None and start.key == "resume" else (0, 0)
    data = DataModule(dataset, config.data.batch_size, config.seed, config.data.workers, place, task.last_batch)
    ledger.before = task.before_fit(dataset, resumed=config.resume is not None)
    check_weights(task, "before the first epoch")
    figures = _fit(config, folder, trainer, task, data)
    figures |= _after_fit(task, dataset, trainer, folder / BEST)
    figures |= _named(trainer.test(task, data, verbose=False))
    task.after_test(dataset, folder)
    made: Any = trainer.fit_loop.epoch_progress.current
    return figures | {"before": ledger.before, "epochs": made.processed}


def _check(config: DictConfig) -> None:
    """Checks all that a configuration can be wrong about before anything is read."""
    from mkgc.app.config import check
    from mkgc.encoders.knowledge import check_vectors
    from mkgc.encoders.text import check_length
    from mkgc.encoders.vision import check_sizes
    from mkgc.training.values import check_values

    check(config)
    check_values(config)
    check_length(config.backbone, config.data.max_length)
    check_vectors(config.backbone)
    check_sizes(config.backbone, config.data.get("images", {}))


def _placed(config: DictConfig, folder: Path) -> DictConfig:
    """The configuration with the checkpoint that the run goes on from, in whose place no other run lies."""
    resumed = resumed_from(config.resume, folder)
    if is_first():  # which has taken the folder when the others begin
        check_free(folder, resumed, config.overwrite)
    placed = config.copy()
    with open_dict(placed):
        placed.pop("run", None)  # of the run whose config.yaml this is
        placed.resume = resumed
    return placed


def _identify(config: DictConfig, folder: Path, start: Start | None) -> Run:
    """The run: a new one, unless it goes on."""
    from mkgc.training.kept import check_resumable

    if start is None or start.key == "weights":
        return Run(folder)
    check_resumable(start.contents, start.path, config.task.epochs)
    return Run.going_on(folder, Path(start.path), start.contents)


def _claim(run: Run, config: DictConfig) -> None:
    """Makes the folder the run's, with its settings and its id in it."""
    aside = run.claim()
    if aside is not None:
        say(f"{run.folder} held another run, which now lies in {aside}")
    drop_stale(run.folder)
    settings = config.copy()
    with open_dict(settings):
        settings.update({"run": run.id, "resume": None, "overwrite": False})
    write_settings(run.folder, settings)


def _fit(config: DictConfig, folder: Path, trainer: pl.Trainer, task: Task, data: DataModule) -> dict[str, Any]:
    """Trains the network, if there is one to be trained; the figures are those of its best weights on dev."""
    from mkgc.training.checkpoint import read

    best = folder / BEST
    if task.trains:
        trainer.fit(task, data, ckpt_path=config.resume)
        task.load_state_dict(read(best)["state_dict"])
    figures = _named(trainer.validate(task, data, verbose=False))
    if not task.trains:
        trainer.save_checkpoint(best, weights_only=True)
    return figures


def _after_fit(task: Task, dataset: Dataset, trainer: pl.Trainer, best: Path) -> dict[str, Any]:
    """Lets the task fit what it keeps about its best weights; from here on their checkpoint has it, too."""
    from mkgc.training.checkpoint import add_fitted

    fitted = task.to(trainer.strategy.root_device).after_fit(dataset)  # Lightning has taken it off an accelerator
    task.metadata["fitted"] = fitted
    if fitted and trainer.is_global_zero:
        add_fitted(best, fitted)
    return fitted


def _named(results: Any) -> dict[str, dict[str, float]]:
    """``{"test/f1": 0.9}`` as ``{"test": {"f1": 0.9}}``."""
    out: dict[str, dict[str, float]] = {}
    for key, value in results[0].items():
        split, name = key.split("/", 1)
        out.setdefault(split, {})[name] = value
    return out


def _kind(config: DictConfig) -> str:
    """The task, and that this is no run whose figures mean anything."""
    return f"{config.task.name}, smoke run" if config.smoke else str(config.task.name)


def _announce(config: DictConfig, run: Run, task: Task, dataset: Dataset) -> None:
    """Says what is trained, in the output and as the first line of the run's log."""
    from mkgc.training.log import RunLog

    log = RunLog(run.folder)
    log.begin(run)
    log.write(line := f"{_kind(config)}: training {_size(task)} on {len(dataset.features['train']):,} examples")
    say(f"{line}, into {run.folder}")


def _about(config: DictConfig, task: Task, dataset: Dataset, ledger: Ledger) -> dict[str, Any]:
    """What figures are of, and how they are read."""
    about = {"seconds": round(ledger.seconds, 1), "run": ledger.run.id} | ({"smoke": True} if config.smoke else {})
    about |= {"task": config.task.name, "seed": config.seed, "coverage": dataset.coverage.as_dict()}
    return about | {"metric": task.monitor.removeprefix("dev/"), "mode": task.mode}


def _finish(
    config: DictConfig, folder: Path, trainer: pl.Trainer, task: Task, dataset: Dataset, figures: dict[str, Any]
) -> None:
    """Keeps the figures of a tested run, then lets its trackers show them."""
    from mkgc.tracking.results import gather_results
    from mkgc.training.log import RunLog
    from mkgc.training.trainer import trackers

    write_json(folder / "metrics.json", figures)
    RunLog(folder).write(_ending(config, figures))
    for tracker in trackers(trainer):
        tracker.show(partial(gather_results, folder, figures, task, dataset))


def _ending(config: DictConfig, figures: dict[str, Any]) -> str:
    """The last line of a run."""
    metric = figures["metric"]
    return f"{_kind(config)}: test {metric} {figures['test'][metric]:.4f}; {figures['seconds']:.0f} s"


def _size(task: Task) -> str:
    count = sum(p.numel() for p in task.parameters() if p.requires_grad)
    return f"{count / 1e6:.1f} M parameters"


class Trained(NamedTuple):
    """A finished run: the figures of its ``metrics.json``, and the folder that holds that and ``best.ckpt``."""

    figures: dict[str, Any]
    folder: Path


def call(*overrides: calls.Given, **keys: Any) -> Trained:
    """Trains as the command does, ``mkgc.train("task=NAME", {"optim.lr": 1e-4}, seed=1)``; prints what that prints.

    Raises:
        MkgcError: What the command would say in one line.
    """
    return calls.call("train", _trained, overrides, keys)


def _check_folder(config: DictConfig) -> None:
    """Checks that a run which may go on was told where.

    Raises:
        ConfigError: Its folder is a new one.
    """
    told = any("dir=" in word for word in HydraConfig.get().overrides.hydra)  # hydra.run.dir or, of a sweep, its own
    if config.resume == AUTO and not told:
        raise ConfigError("resume=auto goes on in the run's own folder, and this is a new one: give hydra.run.dir=DIR")


def _trained(config: DictConfig) -> Trained:
    _check_folder(config)
    figures = train(config, command.folder())
    if is_first() and HydraConfig.get().mode != RunMode.MULTIRUN:  # of a sweep's job, what runs it says that
        say(_ending(config, figures))
    return Trained(figures, command.folder())


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")
@exit_on_user_error
def _main(config: DictConfig) -> float:
    figures, _ = _trained(config)
    return float(figures["dev"][figures["metric"]])


def main() -> None:
    """The command."""
    command.run(_main, "train")


sys.modules[__name__].__class__ = calls.CallableModule


if __name__ == "__main__":
    main()
