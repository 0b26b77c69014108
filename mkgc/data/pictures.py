"""The pictures of a data set while it is in use: mapped from its store, or decoded into memory at the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track
from torch import Tensor

from mkgc.data.images import Fit, PictureError, decode_all
from mkgc.data.store import Entry, SizedStore


class PictureStore:
    """Every picture of a data set as bytes; ``problems`` says what is wrong with those that cannot be used.

    What a folder written by `mkgc.prepare` holds is mapped from there; the rest is decoded once and kept in memory.
    """

    def __init__(
        self,
        wanted: Mapping[str, Iterable[Path]],
        sizes: Mapping[str, int],
        folder: Path | None = None,
        root: Path = Path(),
        fit: Fit = "stretch",
    ) -> None:
        """Finds or reads the files of each group, in the size of that group; ``root`` is the data set's."""
        self.fit = fit
        self.problems: dict[Path, PictureError] = {}
        self._rows: dict[tuple[Path, int], int] = {}
        self._blocks: dict[int, tuple[Tensor, Tensor]] = {}
        for size in sorted(set(sizes.values())):
            groups = (wanted.get(group, ()) for group in sizes if sizes[group] == size)
            paths = [*dict.fromkeys(path for paths in groups for path in paths)]
            stored = None if folder is None else SizedStore(folder, size, root, fit)
            mapped = _empty(size) if stored is None else stored.pixels()
            found = {} if stored is None else {path: entry for path in paths if (entry := stored.find(path))}
            for path, entry in found.items():
                self._note(path, size, entry)
            rest = [path for path in paths if path not in found]
            self._blocks[size] = mapped, self._decoded(rest, size, len(mapped))

    def _note(self, path: Path, size: int, entry: Entry) -> None:
        if entry.row is not None:
            self._rows[path, size] = entry.row
        elif entry.kind is not None:
            self.problems[path] = PictureError(path, entry.kind, entry.detail)

    def _decoded(self, paths: Sequence[Path], size: int, first: int) -> UInt8[Tensor, "n 3 size size"]:
        """The pictures of files that no store has; their rows begin at ``first``."""
        pixels = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
        row = 0
        hidden = len(paths) < 1000 or not Console().is_terminal
        done = track(decode_all(paths, size, self.fit), "Reading pictures", len(paths), transient=True, disable=hidden)
        for path, picture in zip(paths, done, strict=True):
            if isinstance(picture, PictureError):
                self.problems[path] = picture
                continue
            pixels[row] = torch.from_numpy(picture)
            self._rows[path, size] = first + row
            row += 1
        return pixels[:row]

    def index(self, path: Path, size: int) -> int | None:
        """The row of a picture among those of its size; None if it cannot be used."""
        return self._rows.get((path, size))

    def count(self, size: int) -> int:
        """How many pictures of a size there are."""
        return sum(map(len, self._blocks[size]))

    def take(self, rows: Sequence[int], size: int) -> UInt8[Tensor, "n 3 size size"]:
        """The pictures in some rows of a size."""
        mapped, read = self._blocks[size]
        if not rows:
            return _empty(size)
        return torch.stack([mapped[row] if row < len(mapped) else read[row - len(mapped)] for row in rows])


def _empty(size: int) -> UInt8[Tensor, "0 3 size size"]:
    return torch.empty(0, 3, size, size, dtype=torch.uint8)
