"""`sweep.log` in a sweep's folder: a line for each job that has ended, in whatever process or on whatever machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mkgc.errors import printable
from mkgc.terminal import say

NAME = "sweep.log"

FAILED = "mkgc: "
"""How a line about a job that failed begins."""

PAUSE = 0.3
"""Seconds between two looks at the file."""


def note(folder: Path, line: str) -> None:
    """Adds a line in one write, so that those of several processes stay apart."""
    file = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(file, f"{printable(line)}\n".encode("utf-8", "backslashreplace"))
    finally:
        os.close(file)


@contextmanager
def followed(folder: Path) -> Iterator[None]:
    """Prints the lines that are added meanwhile."""
    path, ended = folder / NAME, threading.Event()
    path.touch()
    start = path.stat().st_size

    def follow() -> None:
        with path.open(encoding="utf-8") as file:
            file.seek(start)
            last = False
            while not last:
                last = ended.wait(PAUSE)
                while line := file.readline():
                    tell(line.rstrip("\n"))

    thread = threading.Thread(target=follow, name=NAME, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def tell(line: str) -> None:
    """Prints a line of the log."""
    say(line, error=line.startswith(FAILED))
