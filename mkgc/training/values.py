"""Checks of the values that only training knows, before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from mkgc.errors import ConfigError, MkgcError


def check_values(config: DictConfig) -> None:
    """Checks what a training run needs of values whose types are right: what optimises and the data judge their own.

    Raises:
        ConfigError: One cannot be.
    """
    ranked, epochs = config.trainer.check_val_every_n_epoch, config.task.epochs
    if ranked > epochs:
        raise ConfigError(f"trainer.check_val_every_n_epoch={ranked} must lie between 1 and task.epochs={epochs}")
    if config.trainer.compile and config.backbone.get("sparse", False):
        raise ConfigError("backbone.sparse=true and trainer.compile=true do not go together: give one of them")
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
