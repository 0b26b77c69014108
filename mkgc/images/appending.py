"""Two files that grow together: bytes, and the lines that speak of them, written by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from mkgc.errors import DataError


@dataclass
class Appended:
    """The two files, open; ``lines`` and ``pixels`` are how long they are as far as they agree."""

    index_file: FileIO
    pixels_file: FileIO
    lines: int = 0
    pixels: int = 0

    def cut(self, pixels: int) -> None:
        """Removes what a killed run left behind: half a line, and bytes that no line speaks of."""
        self.index_file.seek(0)
        self.lines, self.pixels = self.index_file.readall().rfind(b"\n") + 1, pixels
        self.undo()

    def undo(self) -> None:
        """Removes what was not committed."""
        self.index_file.truncate(self.lines)
        self.pixels_file.truncate(self.pixels)

    def write_pixels(self, data: bytes) -> None:
        """Appends bytes."""
        _write(self.pixels_file, data)

    def commit(self, lines: bytes) -> None:
        """Flushes the bytes to disk, and then the lines that speak of them."""
        os.fsync(self.pixels_file.fileno())
        _write(self.index_file, lines)
        os.fsync(self.index_file.fileno())
        self.lines, self.pixels = self.lines + len(lines), os.fstat(self.pixels_file.fileno()).st_size


@dataclass(frozen=True)
class Words:
    """What errors of writing say: who else may be writing, and what can be done about a disk that is full."""

    busy: str = "another mkgc.prepare is writing this store: wait for it"
    kept: str = "images cannot be kept there"
    remedy: str = "what was prepared before stays. Give data.store=…, a folder that can be written and has room"


@contextmanager
def appending(index: Path, pixels: Path, header: bytes, words: Words = Words()) -> Iterator[Appended]:  # frozen
    """Opens both for one process; an index without the header is of another format, and both begin anew.

    Raises:
        DataError: They cannot be written; what was committed stays. Or another process is writing them.
    """
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        with index.open("a+b", buffering=0) as lines:
            _lock(lines, index.parent, words.busy)
            _begin(lines, pixels, header)
            with pixels.open("ab", buffering=0) as content:
                files = Appended(lines, content)
                try:
                    yield files
                except OSError:
                    with suppress(OSError):
                        files.undo()
                    raise
    except OSError as error:
        raise DataError(f"{words.kept}: {error.strerror}; {words.remedy}", index.parent) from error


def _lock(file: FileIO, folder: Path, busy: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(busy, folder) from None


def _begin(lines: FileIO, pixels: Path, header: bytes) -> None:
    lines.seek(0)
    if lines.read(len(header)) == header:
        return
    lines.truncate(0)
    pixels.unlink(missing_ok=True)  # and not emptied: a run may have mapped it
    _write(lines, header)


def _write(file: FileIO, data: bytes) -> None:
    """Writes all of it: a disk that becomes full takes a part and says nothing."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
