"""Checks of the values that only training knows, before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mkgc.errors import ConfigError, MkgcError

SEEDS = 2**32
"""NumPy's generators take as many."""

LEAST = {"task.epochs": 1, "data.batch_size": 1, "data.workers": 0, "size.threads": 1, "patience": 0}
NULLABLE = ("size.threads", "patience")
POLICIES = ("stop", "skip")


def check_values(config: DictConfig) -> None:
    """Checks what a training run needs beside what every node's own types say.

    Raises:
        ConfigError: One line for all that cannot be.
    """
    problems = [problem for key, least in LEAST.items() if (problem := _too_small(config, key, least))]
    seed = config.seed
    if not _whole(seed) or not 0 <= seed < SEEDS:
        problems.append(f"seed={_written(seed)} must be a whole number from 0 to {SEEDS - 1}")
    ranked, epochs = config.trainer.check_val_every_n_epoch, config.task.epochs
    if not problems and (not _whole(ranked) or not 1 <= ranked <= epochs):
        problems.append(
            f"trainer.check_val_every_n_epoch={_written(ranked)} must lie between 1 and task.epochs={epochs}"
        )
    if config.nonfinite not in POLICIES:
        problems.append(f"nonfinite={config.nonfinite}: choose {' or '.join(POLICIES)}")
    if problems:
        raise ConfigError("; ".join(problems))


def check_parts(config: DictConfig) -> None:
    """Lets what optimises and what the data are judge their own values, whose types are right.

    Raises:
        ConfigError: One cannot be.
    """
    for part in ("optim", "data"):
        with refused(part):
            instantiate(config[part])  # what they stand for checks itself


@contextmanager
def refused(key: str) -> Iterator[None]:
    """Turns what is said of settings when something is built from them into an error of the user's.

    Raises:
        ConfigError: Always, with the reason, when it cannot be built.
    """
    try:
        yield
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, MkgcError):
            raise cause from None
        raise ConfigError(f"{key}: {' '.join(str(cause).split())}") from error


def _too_small(config: DictConfig, key: str, least: int) -> str | None:
    value = OmegaConf.select(config, key)
    if (value is None and key in NULLABLE) or (_whole(value) and value >= least):
        return None
    null = " or null" if key in NULLABLE else ""
    return f"{key}={_written(value)} must be a whole number of at least {least}{null}"


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _written(value: Any) -> Any:
    """As a user writes it."""
    return "null" if value is None else value
