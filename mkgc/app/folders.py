"""The folder of a run: its own, below runs/, and gone again if nothing was written to it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from omegaconf import OmegaConf

from mkgc.errors import ConfigError


def folder_name(task: str) -> str:
    """The task's name, if a folder can have it.

    Raises:
        ConfigError: It would lead elsewhere.
    """
    if not re.fullmatch(r"\w[\w.-]*", str(task)):
        raise ConfigError(f"task.name={task} names a folder in runs/: give letters, digits, and _ . - behind them")
    return str(task)


def drop_empty(folder: Path) -> None:
    """Removes a folder, and those it lies in, as far as they are empty and below the working one."""
    here = Path.cwd()
    while here in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def drop_stale(folder: Path) -> None:
    """Removes what dead processes had half written: ``.NAME.PID``, see :func:`mkgc.app.files.atomic_write`."""
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


# What conf/train.yaml makes the place of a run of. The answers are kept, as those of Hydra's ${now:}: all processes and
# jobs that belong together have one place, and runs that start in the same second have not.
OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
OmegaConf.register_new_resolver("pid", os.getpid, use_cache=True, replace=True)
