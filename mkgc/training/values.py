"""Checks of the values that only training knows, before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mkgc.app.unknown import has
from mkgc.errors import ConfigError, MkgcError

OURS = {
    "trainer.callbacks": "",
    "trainer.plugins": "",
    "trainer.use_distributed_sampler": "",
    "trainer.logger": "logger",
    "trainer.default_root_dir": "hydra.run.dir",
    "optim.optimizer.params": "",
    "optim.optimizer.lr": "optim.lr",
    "optim.optimizer.weight_decay": "optim.weight_decay",
}
"""Settings of libraries that are made here, and the keys that say how."""

KEEPING = {"trainer.fast_dev_run": True, "trainer.barebones": True, "trainer.enable_checkpointing": False}
"""Settings of Lightning's with which no checkpoint is kept."""

SCORED = {"trainer.limit_train_batches": "there must be steps", "trainer.limit_val_batches": "dev must be scored",
          "trainer.limit_test_batches": "test must be scored"}  # fmt: skip
"""Settings of Lightning's that must not be zero, and why."""


def check_values(config: DictConfig) -> None:
    """Checks what a training run needs of values whose types are right: what optimises and the data judge their own.

    Raises:
        ConfigError: One cannot be.
    """
    _check_libraries(config)
    ranked, epochs = config.trainer.check_val_every_n_epoch, config.task.epochs
    if ranked > epochs:
        raise ConfigError(f"trainer.check_val_every_n_epoch={ranked} must lie between 1 and task.epochs={epochs}")
    if ranked > 1 and config.trainer.get("max_steps", -1) not in (-1, None):
        raise ConfigError(
            f"trainer.max_steps={config.trainer.max_steps} and trainer.check_val_every_n_epoch={ranked} do not go "
            "together: dev is scored where the steps end"
        )
    if config.trainer.compile and config.backbone.get("sparse", False):
        raise ConfigError("backbone.sparse=true and trainer.compile=true do not go together: give one of them")
    for part in ("optim", "data"):
        with refused(part):
            instantiate(config[part])  # what they stand for checks itself


def _check_libraries(config: DictConfig) -> None:
    """Checks what libraries would take, and what would then have no effect here, or leave nothing."""
    for key, ours in OURS.items():
        if has(config, key):
            instead = f": give {ours}" if ours else ""
            raise ConfigError(f"{key}={OmegaConf.select(config, key)}: nothing reads it{instead}")
    if config.trainer.get("max_epochs") != config.task.epochs:
        raise ConfigError(f"trainer.max_epochs={config.trainer.get('max_epochs')}: nothing reads it: give task.epochs")
    for key, wrong in KEEPING.items():
        value = OmegaConf.select(config, key)
        if value is not None and bool(value) is wrong:
            raise ConfigError(f"{key}={value}: keeps no checkpoint to be tested: give smoke=true for a short run")
    for key, why in SCORED.items():
        if has(config, key) and OmegaConf.select(config, key) == 0:
            raise ConfigError(f"{key}=0: {why}")


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
