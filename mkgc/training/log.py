"""``train.log``: what a run has said, in its folder."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from mkgc.errors import printable
from mkgc.terminal import say
from mkgc.training.run import LOG, Run


class RunLog:
    """``train.log`` of a run's folder, line by line; that it cannot be written is said once, and stops nothing."""

    def __init__(self, folder: Path) -> None:
        self._path, self._broken = folder / LOG, False

    def begin(self, run: Run) -> None:
        """Takes the lines over of a run that goes on, with one that says from where."""
        if run.resumed is None:
            return
        earlier = run.resumed / LOG
        if earlier.resolve() != self._path.resolve():
            with suppress(OSError):
                shutil.copyfile(earlier, self._path)
        self.write(f"goes on from {run.resumed} after epoch {run.epochs}")

    def write(self, line: str) -> None:
        """Appends a line."""
        if self._broken:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(printable(line) + "\n")
        except OSError as error:
            self._broken = True
            say(f"{self._path} cannot be written, and the run goes on without it: {error.strerror}", error=True)
