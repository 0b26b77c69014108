"""Lightning's trainer with what every run here has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from mkgc.app.signals import Ended
from mkgc.errors import ConfigError
from mkgc.training.values import refused

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from mkgc.tracking.facts import Facts
    from mkgc.tracking.guarded import Guarded
    from mkgc.training.run import Run
    from mkgc.training.task import Task


def build_trainer(config: DictConfig, folder: Path) -> Any:
    """A trainer that keeps whole checkpoints, ends early on dev, notices divergence and uses our own samplers.

    Raises:
        ConfigError: Lightning refuses a setting, or a logger does.
    """
    import torch

    from mkgc.tracking.guarded import Guarded
    from mkgc.training.bar import EpochBar
    from mkgc.training.checkpoint import AtomicCheckpointIO
    from mkgc.training.curves import Curves
    from mkgc.training.diverged import Divergence
    from mkgc.training.kept import KeepBest
    from mkgc.training.precision import precision_settings
    from mkgc.training.processes import EndTogether
    from mkgc.training.progress import EpochLines, shows_bar

    # A help to find reads of memory that nothing was written to; it costs a tenth of a small step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
    precision, plugins = precision_settings(config.trainer.precision)
    lightning = {key: value for key, value in config.trainer.items() if key != "compile"}
    bar = [EpochBar()] if config.trainer.get("enable_progress_bar") is not False and shows_bar() else []
    progress = [EpochLines(folder, printed=not bar), Curves(lightning.get("log_every_n_steps")), *bar]
    with refused("logger"):
        logger = Guarded(instantiate(config.logger, save_dir=str(folder)))
    kept = KeepBest(folder, config.patience, config.save_every)
    with refused("trainer"):
        return instantiate(
            lightning,
            precision=precision,
            callbacks=[Divergence(config.nonfinite), kept, EndTogether(), *progress],
            enable_progress_bar=bool(bar),
            logger=logger,
            plugins=[AtomicCheckpointIO(), *plugins],
            default_root_dir=str(folder),
            use_distributed_sampler=False,
        )


def compile_task(task: Task) -> None:
    """Compiles the losses and scores of a task, as ``trainer.compile=true`` asks for.

    Raises:
        ConfigError: There is no compiler.
    """
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise ConfigError("trainer.compile=true needs a C++ compiler (g++ or clang++), and there is none") from None
    task.compile_methods()


@contextmanager
def telling_the_way_on(trainer: pl.Trainer, resumed: str | None) -> Iterator[None]:
    """Lets the line of a run that is told to end say what of it is saved, and how to go on from there."""
    from mkgc.training.kept import KeepBest

    try:
        yield
    except Ended as end:
        ways = [one.way_on(resumed) for one in trainer.callbacks if isinstance(one, KeepBest)]  # type: ignore[attr-defined]
        raise Ended("; ".join(filter(None, (end.line, *ways))), end.code) from end


@contextmanager
def logged(trainer: pl.Trainer, run: Run, facts: Facts) -> Iterator[None]:
    """The run as its trackers know it, with what is known of it: one of their runs begins here, and ends as it does."""
    failed = True
    try:
        for tracker in trackers(trainer):
            tracker.begin(run)
            tracker.describe(facts)
        for logger in trainer.loggers:
            logger.log_hyperparams(dict(facts.settings))
        yield
        failed = False
    finally:
        for tracker in trackers(trainer):
            tracker.end(failed)


def trackers(trainer: pl.Trainer) -> list[Guarded]:
    """What keeps the run's curves, in the process that writes."""
    from mkgc.tracking.guarded import Guarded

    return [logger for logger in trainer.loggers if isinstance(logger, Guarded) and trainer.is_global_zero]
