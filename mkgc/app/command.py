"""The frame of all commands: a user's mistake is one line and exit code 2, a bug keeps its traceback."""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mkgc.app.bugs import explain_disk, record_bug
from mkgc.app.endings import ending
from mkgc.app.folders import drop_empty
from mkgc.app.help import show_help
from mkgc.app.lean import import_lean
from mkgc.app.overrides import explain_syntax, settle
from mkgc.app.packages import own_tasks
from mkgc.app.provenance import installed_version
from mkgc.app.renamed import check_renamed
from mkgc.app.signals import Ended, end_others, in_order, is_first
from mkgc.app.sweeps import JobError, explain_missing, hand_on_errors
from mkgc.app.unknown import ABSENT, as_mistake, composed_without, explain_unknown, hidden_error
from mkgc.errors import ConfigError, MkgcError, one_line, unfolded
from mkgc.sweeps.hooks import sweeping
from mkgc.terminal import say

BUG = 1
USER_ERROR = 2
HUNG_UP = 141
"""As of a program that a closed pipe ends: what the reader no longer wants is no error."""


def run(main: Callable[[], object], verb: str) -> None:
    """Runs a command's Hydra main function and turns what went wrong into a line and an exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors on instead of printing them and exiting with 1
    quiet()
    hand_on_errors()
    import_lean()
    if "--version" in sys.argv[1:]:
        say(f"mkgc {installed_version()}")
        return
    try:
        if {"--help", "-h"} & {*sys.argv[1:]}:
            show_help(verb)
            return
        check_renamed(sys.argv[1:])
        with own_tasks(), in_order(), ending(), sweeping(verb):
            main()
            sys.stdout.flush()
    except Ended as end:
        end_others()
        if end.line and is_first():
            say(f"mkgc: {end.line}", error=True)
        sys.exit(end.code)
    except Exception as error:
        _fail(error if _begun(error) or isinstance(error, BrokenPipeError) else as_mistake(error))


def exit_on_user_error(function: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """For what stands under ``@hydra.main``: ends the command before Hydra adds lines of its own to the user's one.

    In a sweep the error goes on to what runs the jobs (:mod:`mkgc.sweeps.job`), and tells its line there.
    """

    @wraps(function)
    def wrapped(config: DictConfig) -> Any:
        try:
            settle(config, words())
            return function(config)
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise JobError(*_told(error)) from error
            _fail(error)
        finally:
            drop_empty(folder())

    return wrapped


def words() -> list[str]:
    """The overrides that the user has typed for this job; as a list of Hydra's, it would resolve interpolations."""
    typed: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return typed


def _begun(error: BaseException) -> bool:
    """Whether an error comes from the command itself, and not from what precedes it."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_name == "wrapped" and frame.f_globals is globals() for frame, _ in frames)


def _hung_up(error: BaseException) -> bool:
    """Whether what reads the standard output has closed it; what is still to be printed then goes nowhere."""
    if not isinstance(error, BrokenPipeError):
        return False
    poll = select.poll()
    poll.register(1, select.POLLOUT)
    gone = any(event & select.POLLERR for _, event in poll.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return gone


def _fail(error: Exception) -> NoReturn:
    end_others()
    if _hung_up(error):
        sys.exit(HUNG_UP)
    line, code = (str(error), error.code) if isinstance(error, JobError) else _told(error)
    for part in f"mkgc: {line}".splitlines() if line else ():  # of a traceback that could be written nowhere
        say(part, error=True)
    sys.exit(code)


def _told(error: Exception) -> tuple[str, int]:
    """The message for an error, and the exit code."""
    line = user_message(error)
    return (record_bug(error, folder()), BUG) if line is None else (line, USER_ERROR)


def folder() -> Path:
    """The folder of this run, if Hydra has got as far as to make one; else the working one."""
    made = HydraConfig.get().runtime if HydraConfig.initialized() else None
    return Path.cwd() if made is None or OmegaConf.is_missing(made, "output_dir") else Path(made.output_dir)


def quiet() -> None:
    """Leaves out what the libraries print at every start and nobody can act upon."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # what weights lack is judged where they are loaded
    logging.disable(logging.INFO)  # not by level: Lightning sets its own when it is imported
    for message in (
        ".*LeafSpec.*is deprecated",
        "You have overridden `transfer_batch_to_device`",
        ".*does not have many workers",
        "Checkpoint directory .* exists and is not empty",
        "Experiment logs directory .* exists and is not empty",
        "It is recommended to use `self.log\\(.*sync_dist=True",  # metrics sum over processes themselves
        "The number of training batches .* is smaller than the logging interval",
        "Found .* module\\(s\\) in eval mode",
        "You're resuming from a checkpoint that ended before the epoch ended",  # our sampler passes over what was made
        "Grad strides do not match bucket view strides",  # of a bias that is one column: a copy more, and no error
    ):
        warnings.filterwarnings("ignore", message)


def require(config: DictConfig, *keys: str) -> None:
    """Checks that the keys a command cannot do without were given.

    Raises:
        ConfigError: One is missing.
    """
    missing = [key for key in keys if OmegaConf.is_missing(config, key)]
    if missing:
        raise ConfigError("give " + " ".join(f"{key}=…" for key in missing))


def require_one(config: DictConfig, *keys: str) -> str | None:
    """The one of several keys that was given; None if none was.

    Raises:
        ConfigError: More than one was.
    """
    given = [key for key in keys if config[key] is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are two different things: give one")
    return given[0] if given else None


def user_message(error: BaseException | None) -> str | None:
    """The one line for a user's mistake, found along the chain of causes; None for a bug."""
    first = error
    while error is not None:
        if isinstance(error, MkgcError):
            return str(error)
        if (line := explain_disk(error, folder())) is not None:
            return line
        error = error.__cause__ or error.__context__
    if isinstance(first, OverrideParseException):
        return one_line(explain_syntax(first.override))
    if isinstance(first, OSError) and first.errno == errno.ENAMETOOLONG:
        return one_line(f"the name of a file is too long: {first.filename}", 300)
    if (line := explain_missing(first)) is not None:
        return line
    if isinstance(first, HydraException | OmegaConfBaseException):
        if hidden := hidden_error(first):
            return user_message(hidden)
        if absent := ABSENT.match(str(first)):
            return one_line(explain_unknown(absent[1], composed_without(first, {absent[1]})))
        return one_line(unfolded(str(first), "full_key:", "object_type="))
    return None
