"""The images of a data set while it is in use: mapped from its store, or decoded into memory at the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor

from mkgc.data.states import StatesTable
from mkgc.errors import DataError
from mkgc.images.decode import Fit, Held, ImageError, decode_all, read_image
from mkgc.images.store import Entry, SizedStore, checksum
from mkgc.terminal import say


class LoadedImages:
    """Every image of a data set as bytes; ``problems`` says what is wrong with those that cannot be used.

    What a folder written by `mkgc.prepare` holds is mapped from there, and checked when it is first taken; the rest is
    decoded once and kept in memory. Of examples whose ``states`` are known, batches need no images.
    """

    def __init__(
        self,
        wanted: Mapping[str, Iterable[Path]],
        sizes: Mapping[str, int],
        folder: Path | None = None,
        root: Path = Path(),
        fit: Fit = "stretch",
        held: Mapping[Path, Held] | None = None,
    ) -> None:
        """Finds or reads the files of each group, in the size of that group; ``root`` is the data set's.

        ``held`` are images in memory, which stand for files.
        """
        self.problems: dict[Path, ImageError] = {}
        self._sizes, self.folder, self._root, self.fit = dict(sizes), folder, root, fit
        self._held = held or {}
        self.states: StatesTable | None = None
        self._rows: dict[tuple[Path, int], int] = {}
        self._mapped = {size: _Mapped(_empty(size), fit) for size in sizes.values()}
        self._decoded = {size: _empty(size) for size in sizes.values()}
        self._looked: set[int] = set()
        self.read(wanted)

    def read(self, wanted: Mapping[str, Iterable[Path]]) -> None:
        """Finds or reads further files of each group."""
        for size in sorted(set(self._sizes.values())):
            groups = (wanted.get(group, ()) for group in self._sizes if self._sizes[group] == size)
            paths = dict.fromkeys(path for paths in groups for path in paths)
            new = [path for path in paths if path not in self.problems and (path, size) not in self._rows]
            self._decode(self._find(new, size), size)

    def _find(self, paths: Sequence[Path], size: int) -> list[Path]:
        """Looks files up in the store; the ones that it lacks."""
        if self.folder is None or not paths:
            return list(paths)
        stored = SizedStore(self.folder, size, self._root, self.fit)
        if size not in self._looked:
            self._looked.add(size)
            self._mapped[size] = _Mapped(stored.pixels(), self.fit)
        found = {p: e for p, e in stored.find_all(paths).items() if e.row is None or e.row < len(self._mapped[size])}
        for path, entry in found.items():
            self._note(path, size, entry)
        return [path for path in paths if path not in found]

    def _note(self, path: Path, size: int, entry: Entry) -> None:
        if entry.row is not None:
            self._rows[path, size] = entry.row
            self._mapped[size].expect(entry.row, entry.crc, path)
        elif entry.kind is not None:
            self.problems[path] = ImageError(path, entry.kind, entry.detail)

    def _decode(self, paths: Sequence[Path], size: int) -> None:
        """Reads files that no store has; their rows follow those of the store."""
        pixels = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
        first = len(self._mapped[size]) + len(self._decoded[size])
        row = 0
        hidden = len(paths) < 1000 or not Console().is_terminal
        done = track(
            decode_all(paths, size, self.fit, self._held), "Reading images", len(paths), transient=True, disable=hidden
        )
        for path, image in zip(paths, done, strict=True):
            if isinstance(image, ImageError):
                self.problems[path] = image
                continue
            pixels[row] = torch.from_numpy(image)
            self._rows[path, size] = first + row
            row += 1
        before = self._decoded[size]
        self._decoded[size] = torch.cat([before, pixels[:row]]) if len(before) else pixels[:row]

    def index(self, path: Path, size: int) -> int | None:
        """The row of an image among those of its size; None if it cannot be used."""
        return self._rows.get((path, size))

    def count(self, size: int) -> int:
        """How many files have an image of a size; equal ones may share it."""
        return sum(each == size for _, each in self._rows)

    def take(self, rows: Sequence[int], size: int) -> UInt8[Tensor, "n 3 size size"]:
        """The images in some rows of a size.

        Raises:
            DataError: One is damaged in the store, and its file cannot be read either.
        """
        if not rows:
            return _empty(size)
        mapped, read = self._mapped[size], self._decoded[size]
        return torch.stack([mapped.take(row) if row < len(mapped) else read[row - len(mapped)] for row in rows])


class _Mapped:
    """A store's images of one size, each checked by its checksum before it is first used."""

    def __init__(self, pixels: UInt8[Tensor, "n 3 S S"], fit: Fit) -> None:
        self.pixels, self.fit = pixels, fit
        self._unchecked: dict[int, tuple[int | None, Path]] = {}

    def __len__(self) -> int:
        return len(self.pixels)

    def expect(self, row: int, crc: int | None, path: Path) -> None:
        """Says what the checksum of a row must be, and which file it was made from."""
        self._unchecked[row] = crc, path

    def take(self, row: int) -> UInt8[Tensor, "3 S S"]:
        """An image; one that is damaged is made anew from its file, in this process's memory only."""
        crc, path = self._unchecked.pop(row, (None, Path()))
        if crc is not None and checksum(self.pixels[row]) != crc:
            self.pixels[row] = self._again(path)
        return self.pixels[row]

    def _again(self, path: Path) -> UInt8[Tensor, "3 S S"]:
        said = f"the prepared image of {path} is damaged"
        try:
            image = torch.from_numpy(read_image(path, self.pixels.shape[-1], fit=self.fit))
        except ImageError as error:
            raise DataError(f"{said}, and its file cannot be used: {error}") from error
        say(f"{said}: it is read from its file; mkgc.prepare makes it anew", error=True)
        return image


def _empty(size: int) -> UInt8[Tensor, "0 3 size size"]:
    return torch.empty(0, 3, size, size, dtype=torch.uint8)
