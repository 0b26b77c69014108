"""A folder to build in, beside what is being built: gone at the end, and those of killed runs with it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "-mkgc-"
"""Stands in the names of these folders, so that nobody's own is taken for one."""


@contextmanager
def scratch(output: Path) -> Iterator[Path]:
    """A folder on the same disk as the output, locked as long as this process lives.

    Raises:
        OSError: None can be made there.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{output.name}{MARK}"
    for left in output.parent.iterdir():
        if left.name.startswith(prefix):
            _remove_dead(left)
    folder, lock = _locked(output.parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        with suppress(FileNotFoundError):  # another process took it for a dead one before it was locked
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_dead(folder: Path) -> None:
    """Removes a folder that no process holds a lock on."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(lock)
