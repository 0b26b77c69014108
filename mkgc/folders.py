"""The folder of a run: its own, below runs/, and gone again if nothing was written to it."""

from __future__ import annotations

import os
import re
import time
from itertools import count
from pathlib import Path

from omegaconf import OmegaConf

from mkgc.errors import ConfigError


def new_folder(task: str, prefix: str = "") -> str:
    """Makes a folder ``runs/TASK/PREFIXTIME`` that no other run has, however many start in the same second.

    Raises:
        ConfigError: The task's name is none that a folder can have.
    """
    if not re.fullmatch(r"\w[\w.-]*", str(task)):
        raise ConfigError(
            f"task.name={task} must be letters, digits, and _ . - behind them: it names a folder in runs/"
        )
    start = Path("runs", task, prefix + time.strftime("%Y-%m-%d_%H-%M-%S"))
    start.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = start if number == 1 else start.with_name(f"{start.name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return str(folder)
    raise AssertionError


def drop_empty(folder: Path) -> None:
    """Removes a folder, and those it lies in, as far as they are empty and below the working one."""
    here = Path.cwd()
    while here in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def drop_stale(folder: Path) -> None:
    """Removes what processes that live no more had half written: ``.NAME.PID``, see :func:`mkgc.files.whole`."""
    for path in folder.glob(".*"):
        pid = path.suffix[1:]
        if pid.isdecimal() and path.is_file() and not _lives(int(pid)):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


# Hydra asks for the place of a run more than once, and of a sweep from each of its jobs: the answer is kept.
OmegaConf.register_new_resolver("new_folder", new_folder, use_cache=True, replace=True)
