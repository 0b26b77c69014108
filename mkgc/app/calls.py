"""Commands as functions of a program: composed, checked and quiet as they are when typed; errors are exceptions."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from mkgc.app.command import folder, quiet, user_message, words
from mkgc.app.folders import drop_empty
from mkgc.app.overrides import in_quotes, settle
from mkgc.app.packages import CONF, own_tasks
from mkgc.app.renamed import check_renamed
from mkgc.app.signals import Ended, in_order
from mkgc.app.sweeps import CALLED
from mkgc.errors import ConfigError, MkgcError

Given = str | Mapping[str, Any]
"""An override as it is typed, ``"optim.lr=1e-4"``, or keys with their values, ``{"optim.lr": 1e-4}``."""

Result = TypeVar("Result")


class CallableModule(ModuleType):
    """A command's module that is called as its function ``call``, since both have the one name ``mkgc.VERB``."""

    def __call__(self, *overrides: Given, **keys: Any) -> Any:
        return self.call(*overrides, **keys)


def call(
    name: str, function: Callable[[DictConfig], Result], overrides: tuple[Given, ...], keys: Mapping[str, Any]
) -> Result:
    """What a function makes of the configuration ``name`` with overrides, which are written out for Hydra.

    Raises:
        MkgcError: A key or what it names cannot be used.
        KeyboardInterrupt: The user has interrupted it.
    """
    typed = [word for given in (*overrides, keys) for word in _typed(given)]
    check_renamed(typed)
    made: list[Result] = []
    failed: list[Exception] = []

    def job(config: DictConfig) -> None:
        # Hydra would print lines of its own about what is raised here.
        try:
            settle(config, words())
            made.append(function(config))
        except Exception as error:
            failed.append(error)
        finally:
            drop_empty(folder())

    with own_tasks(), _quietly(), _interruptible():
        _compose(name, job, typed)
    for error in failed:
        if isinstance(error, MkgcError) or (line := user_message(error)) is None:
            raise error
        raise ConfigError(line) from error
    return made[0]


def _compose(name: str, job: Callable[[DictConfig], None], overrides: list[str]) -> None:
    try:
        with initialize_config_dir(str(CONF), version_base="1.3", job_name=CALLED):
            hydra: Any = GlobalHydra.instance().hydra
            hydra.run(name, job, overrides, with_log_configuration=False)
    except AssertionError as error:  # Hydra's, of a configuration that makes a sweep of a run
        raise ConfigError("this is a sweep, and a program makes one run: sweep by the command") from error
    except Exception as error:  # all that the job itself raises is kept
        raise error if isinstance(error, MkgcError) else ConfigError(user_message(error) or str(error)) from error


def _typed(given: Given) -> list[str]:
    """Overrides as they would be typed, but for the shell's own quotes."""
    return [given] if isinstance(given, str) else [f"{key}={_written(value)}" for key, value in given.items()]


def _written(value: Any) -> str:
    """A value in Hydra's grammar.

    >>> _written({"image": 64, "names": ["a b", True, None]})
    '{image: 64, names: ["a b", true, null]}'
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | Path):
        return in_quotes(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value)


@contextmanager
def _quietly() -> Iterator[None]:
    """Leaves out what :func:`mkgc.app.command.quiet` does, and not beyond."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        quiet()
        try:
            yield
        finally:
            logging.disable(disabled)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turns the end that a signal asks for into what Python makes of it."""
    try:
        with in_order():
            yield
    except Ended as end:
        if end.code == 128 + signal.SIGINT:
            raise KeyboardInterrupt(end.line) from end
        raise SystemExit(end.code) from end
