"""Images on disk as bytes of one size, decoded and resized once: written by `mkgc.prepare`, mapped into memory later.

A size has two files that only grow: ``224.bin`` (``224.crop.bin`` where images are cropped to be square), one image
after the other, and ``224.jsonl``, a line for each file that was looked at: what it holds, where its image lies and
its checksum, or what is wrong with it. Files are known by their content, length and digest; where path, length and time
are those of a line, the content is taken to be its, too.

Bytes are written and flushed before the lines that speak of them, so that a killed run loses its last images at most,
and the next goes on. Each line holds its own checksum: a damaged one is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from mkgc.errors import DataError
from mkgc.images.appending import Appended, appending
from mkgc.images.decode import Fit, ImageError, decode_all
from mkgc.terminal import say

BATCH = 512
"""Images between two flushes to disk."""

HEADER = b'{"mkgc images": 2}\n'
"""The first line of an index; raised when the same files begin to give other bytes. Stores without it begin anew."""

CHECK = b', "check": "'

Content = tuple[int, str]
"""Length and digest of a file."""


@dataclass(frozen=True)
class Entry:
    """A line of the index: the file as it was, and either the row of its image or the kind of its fault."""

    path: str
    bytes: int
    changed: int
    digest: str = ""
    row: int | None = None
    crc: int | None = None
    kind: str | None = None
    detail: str = ""


def _line(entry: Entry) -> bytes:
    """The entry as JSON, with the checksum of all else at its end."""
    text = json.dumps(asdict(entry)).encode()
    return text[:-1] + CHECK + b"%08x" % crc32(text) + b'"}\n'


def _parse(line: bytes) -> Entry | None:
    """The entry of a line; None where the line is damaged."""
    text, _, check = line.rpartition(CHECK)
    return Entry(**json.loads(text + b"}")) if check == b'%08x"}' % crc32(text + b"}") else None


class SizedStore:
    """The images of one size in a store; paths are kept relative to the data set, so that both may be moved."""

    def __init__(self, folder: Path, size: int, root: Path, fit: Fit = "stretch") -> None:
        name = str(size) if fit == "stretch" else f"{size}.{fit}"
        self.pixels_file, self.index_file = folder / f"{name}.bin", folder / f"{name}.jsonl"
        self.size, self.root, self.fit = size, root, fit
        self._damaged: set[int | None] = set()
        self._load()

    def _load(self) -> None:
        """Reads the index: of several lines of a file or a content the last one counts."""
        self.entries: dict[str, Entry] = {}
        self._contents: dict[Content, Entry] = {}
        self._lengths: set[int] = set()
        self.rows = 0
        for entry in self._read():
            self._know(entry)

    def _know(self, entry: Entry) -> None:
        if entry.row is not None:
            self.rows = max(self.rows, entry.row + 1)
            if entry.row in self._damaged:
                return
        self.entries[entry.path] = entry
        if entry.digest:
            self._contents[entry.bytes, entry.digest] = entry
            self._lengths.add(entry.bytes)

    def _read(self) -> Iterator[Entry]:
        try:
            lines = self.index_file.read_bytes() if self.index_file.is_file() else b""
            whole = self.pixels_file.stat().st_size // self.stride if self.pixels_file.is_file() else 0
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", self.index_file) from error
        if not lines.startswith(HEADER):
            return
        for line in lines.split(b"\n")[1:-1]:  # what follows the last line end was cut off
            entry = _parse(line)
            if entry is not None and (entry.row is None or entry.row < whole):
                yield entry

    @property
    def stride(self) -> int:
        """Bytes of an image."""
        return 3 * self.size * self.size

    def find(self, path: Path) -> Entry | None:
        """The entry of a file; None if it has changed since, or was never looked at."""
        return self.find_all([path]).get(path)

    def find_all(self, paths: Iterable[Path]) -> dict[Path, Entry]:
        """The entries of files: by path, length and time of change, else by length and digest."""
        states = {path: _state(path) for path in paths}
        named = {path: self.entries.get(self._name(path)) for path in states}
        found = {p: e for p, e in named.items() if e is not None and (e.bytes, e.changed) == states[p]}
        others = [path for path, (length, _) in states.items() if path not in found and length in self._lengths]
        alike = ((path, self._contents.get((states[path][0], digest))) for path, digest in digests(others).items())
        return found | {path: entry for path, entry in alike if entry is not None}

    def pixels(self) -> UInt8[Tensor, "n 3 S S"]:
        """All images, mapped and not read."""
        if self.rows == 0:
            return torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)
        shape = (self.rows, 3, self.size, self.size)
        return torch.from_numpy(np.memmap(self.pixels_file, np.uint8, mode="c", shape=shape))

    def verify(self) -> list[str]:
        """The files whose stored images are no longer what was written."""
        pixels = self.pixels()
        stored = [entry for entry in self.entries.values() if entry.row is not None]
        return [entry.path for entry in stored if checksum(pixels[entry.row]) != entry.crc]

    def forget(self, names: Iterable[str]) -> None:
        """Makes files unknown whose images are damaged, so that they are decoded anew."""
        self._damaged |= {self.entries[name].row for name in names}
        self._load()

    def lacks(self, paths: Iterable[Path]) -> list[Path]:
        """The files that have no line of their own: what is known by its content only would be read again each time."""
        files = list(paths)
        found = self.find_all(files)
        return [path for path in files if path not in found or not self._names(found[path], path)]

    def _names(self, entry: Entry, path: Path) -> bool:
        return (entry.path, entry.bytes, entry.changed) == (self._name(path), *_state(path))

    def faults(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Those of some files that cannot be used, and the kind of their fault."""
        return {path: entry.kind for path, entry in self.find_all(paths).items() if entry.kind is not None}

    def add(self, paths: Sequence[Path]) -> Iterator[Path]:
        """Decodes and appends files, each reported when it is done; of equal files only one.

        Raises:
            DataError: The store cannot be written, or another process is writing.
        """
        with appending(self.index_file, self.pixels_file, HEADER) as files:
            self._load()  # another process may have written since
            files.cut(self.rows * self.stride)
            new = self.lacks(paths)
            yield from sorted(set(paths) - set(new))
            for start in range(0, len(new), BATCH):
                part = new[start : start + BATCH]
                for entry in self._append(part, files):
                    self._know(entry)
                yield from part

    def _append(self, paths: Sequence[Path], files: Appended) -> list[Entry]:
        """Writes the images of some files, then the lines that speak of them."""
        known = digests(paths)
        blank = {path: Entry(self._name(path), *_state(path), known.get(path, "")) for path in paths}
        first: dict[Content, Path] = {}
        for path, entry in blank.items():
            first.setdefault(_content(entry, path), path)
        fresh = [path for content, path in first.items() if content not in self._contents]
        seen = {content: entry for content, entry in self._contents.items() if content in first}
        row = self.rows
        for path, image in zip(fresh, decode_all(fresh, self.size, self.fit), strict=True):
            entry = blank[path]
            if isinstance(image, ImageError):
                entry = replace(entry, kind=image.kind, detail=image.detail)
            else:
                data = image.tobytes()
                files.write_pixels(data)
                entry, row = replace(entry, row=row, crc=crc32(data)), row + 1
            seen[_content(entry, path)] = entry
        entries = [_like(entry, seen[_content(entry, path)]) for path, entry in blank.items()]
        files.commit(b"".join(map(_line, entries)))
        return entries

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.root)


def prepare(folder: Path, root: Path, wanted: Iterable[Path], size: int, fit: Fit = "stretch") -> Iterator[Path]:
    """Brings a store up to date with the files wanted; yields each as it is done, those that were there already first.

    Images that were damaged in the store are decoded anew, and said.

    Raises:
        DataError: The store cannot be written, or another process is writing.
    """
    store = SizedStore(folder, size, root, fit)
    if damaged := store.verify():
        say(f"{folder}: {len(damaged):,} stored images are damaged and made anew, as that of {damaged[0]}")
        store.forget(damaged)
    paths = list(dict.fromkeys(wanted))
    new = store.lacks(paths)
    yield from sorted(set(paths) - set(new))
    if new:
        yield from store.add(new)


def checksum(pixels: UInt8[Tensor, "3 S S"]) -> int:
    """The index' record of an image."""
    return crc32(pixels.numpy().data)


def _content(entry: Entry, path: Path) -> Content:
    """The key of a file: its content, or where that cannot be read its path."""
    return entry.bytes, entry.digest or str(path)


def _like(entry: Entry, other: Entry) -> Entry:
    """An entry that says of its file what the other says of one with the same content."""
    return replace(entry, row=other.row, crc=other.crc, kind=other.kind, detail=other.detail)


def _state(path: Path) -> tuple[int, int]:
    """Length and time of change of a file; (-1, 0) where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return -1, 0
    return found.st_size, found.st_mtime_ns


def digests(paths: Sequence[Path]) -> Mapping[Path, str]:
    """Digests of the contents of the files that can be read, by several threads."""
    if not paths:
        return {}
    with ThreadPool(min(8, os.cpu_count() or 1)) as pool:
        return {path: digest for path, digest in zip(paths, pool.imap(_digest, paths), strict=True) if digest}


def _digest(path: Path) -> str:
    if not path.is_file():  # a pipe would never end
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""
