"""Pictures on disk as bytes of one size, decoded and resized once: written by `mkgc.prepare`, mapped into memory later.

A size has two files that only grow: ``224.bin`` (``224.crop.bin`` where images are cropped to be square), one picture
after the other, and ``224.jsonl``, a line for each file that was looked at: where its picture lies and its checksum, or
what is wrong with it. Bytes are written and flushed before the lines that speak of them, so that a killed run loses its
last pictures at most, and the next goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from mkgc.data.images import Fit, PictureError, decode_all
from mkgc.errors import DataError

BATCH = 512
"""Pictures between two flushes to disk."""


@dataclass(frozen=True)
class Entry:
    """A line of the index: the file as it was, and either the row of its picture or the kind of its fault."""

    path: str
    bytes: int
    changed: int
    row: int | None = None
    crc: int | None = None
    kind: str | None = None
    detail: str = ""


class SizedStore:
    """The pictures of one size in a store; paths are kept relative to the data set, so that both may be moved."""

    def __init__(self, folder: Path, size: int, root: Path, fit: Fit = "stretch") -> None:
        name = str(size) if fit == "stretch" else f"{size}.{fit}"
        self.pixels_file, self.index_file = folder / f"{name}.bin", folder / f"{name}.jsonl"
        self.size, self.root, self.fit = size, root, fit
        self.entries = {entry.path: entry for entry in self._read()}
        self.rows = 1 + max((e.row for e in self.entries.values() if e.row is not None), default=-1)

    def _read(self) -> Iterator[Entry]:
        if not self.index_file.is_file():
            return
        whole = self.pixels_file.stat().st_size // self.stride if self.pixels_file.is_file() else 0
        for line in self.index_file.read_bytes().split(b"\n")[:-1]:  # what follows the last line end was cut off
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise DataError("is damaged: delete it and run mkgc.prepare again", self.index_file) from error
            if entry.row is None or entry.row < whole:
                yield entry

    @property
    def stride(self) -> int:
        """Bytes of a picture."""
        return 3 * self.size * self.size

    def find(self, path: Path) -> Entry | None:
        """What is known of a file; None if it has changed since, or was never looked at."""
        entry = self.entries.get(self._name(path))
        return entry if entry is not None and (entry.bytes, entry.changed) == _state(path) else None

    def pixels(self) -> UInt8[Tensor, "n 3 S S"]:
        """All pictures, mapped and not read."""
        if self.rows == 0:
            return torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)
        shape = (self.rows, 3, self.size, self.size)
        return torch.from_numpy(np.memmap(self.pixels_file, np.uint8, mode="c", shape=shape))

    def verify(self) -> list[str]:
        """The files whose stored pictures are no longer what was written."""
        pixels = self.pixels().numpy()
        stored = [entry for entry in self.entries.values() if entry.row is not None]
        return [entry.path for entry in stored if crc32(pixels[entry.row].tobytes()) != entry.crc]

    def faults(self, paths: Iterable[Path]) -> Counter[str]:
        """How many of some files cannot be used, by kind."""
        found = (self.find(path) for path in paths)
        return Counter(entry.kind for entry in found if entry is not None and entry.kind is not None)

    def add(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Decodes and appends files, each reported when it is done."""
        self.pixels_file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.index_file) as index, self.pixels_file.open("ab") as pixels:
            _cut(index, pixels, self.rows * self.stride)
            for start in range(0, len(paths), BATCH):
                part = paths[start : start + BATCH]
                lines = []
                for path, picture in zip(part, decode_all(part, self.size, self.fit), strict=True):
                    lines.append(self._append(path, picture, pixels))
                    yield path
                _flush(pixels)
                index.write("".join(json.dumps(asdict(entry)) + "\n" for entry in lines).encode())
                _flush(index)
                self.entries |= {entry.path: entry for entry in lines}

    def _append(self, path: Path, picture: np.ndarray | PictureError, pixels: BinaryIO) -> Entry:
        name, state = self._name(path), _state(path)
        if isinstance(picture, PictureError):
            return Entry(name, *state, kind=picture.kind, detail=picture.detail)
        data = picture.tobytes()
        pixels.write(data)
        self.rows += 1
        return Entry(name, *state, row=self.rows - 1, crc=crc32(data))

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.root)


def prepare(folder: Path, root: Path, wanted: Iterable[Path], size: int, fit: Fit = "stretch") -> Iterator[Path]:
    """Brings a store up to date with the files wanted; yields each as it is done, those that were there already first.

    Raises:
        DataError: A stored picture is damaged, or another process is writing.
    """
    store = SizedStore(folder, size, root, fit)
    if damaged := store.verify():
        raise DataError(f"the picture of {damaged[0]} is damaged: delete the folder and run mkgc.prepare again", folder)
    paths = list(dict.fromkeys(wanted))
    new = [path for path in paths if store.find(path) is None]
    yield from sorted(set(paths) - set(new))
    yield from store.add(new)


def _state(path: Path) -> tuple[int, int]:
    """Length and time of change of a file; (-1, 0) where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return -1, 0
    return found.st_size, found.st_mtime_ns


def _cut(index: BinaryIO, pixels: BinaryIO, length: int) -> None:
    """Removes what a killed run left behind: half a line, and pictures no line speaks of."""
    index.seek(0)
    lines = index.read()
    index.truncate(lines.rfind(b"\n") + 1)
    index.seek(0, os.SEEK_END)
    pixels.truncate(length)
    pixels.seek(0, os.SEEK_END)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError("another mkgc.prepare is writing this store: wait for it", path.parent) from None
        yield file
