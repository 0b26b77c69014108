"""The images below a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mkgc.data.formats.filenames import SUFFIXES
from mkgc.data.formats.text_files import list_folder
from mkgc.errors import DataError
from mkgc.images.decode import Fit, ImageError, decode_all, is_image

Decoded = np.ndarray | ImageError


class ImageFile(NamedTuple):
    """A file by its name below a folder, with its length and its time of change in nanoseconds."""

    name: str
    bytes: int
    changed: int


def list_images(root: Path, besides: Path) -> list[ImageFile]:
    """The files that are images by suffix or by content, but for hidden ones and those in a folder ``besides``.

    Raises:
        DataError: There is no such folder, it cannot be read, or no image is in it.
    """
    if not root.is_dir():
        raise DataError("is no folder of images", root)
    found = [*_walk(root, "", besides.resolve())]
    if not found:
        raise DataError("there is no image in this folder", root)
    return found


def _walk(root: Path, below: str, besides: Path) -> Iterator[ImageFile]:
    folder = root / below
    for name, is_folder in list_folder(folder):
        path, inner = folder / name, f"{below}{name}"
        if name.startswith(".") or (is_folder and (path.is_symlink() or path.resolve() == besides)):
            continue
        if is_folder:
            yield from _walk(root, f"{inner}/", besides)
        elif path.suffix.lower() in SUFFIXES or is_image(path):
            with suppress(FileNotFoundError):  # deleted since the folder was listed
                state = path.stat()
                yield ImageFile(inner, state.st_size, state.st_mtime_ns)


def decoded_ahead(
    root: Path, files: Sequence[ImageFile], size: int, fit: Fit, chunk: int
) -> Iterator[tuple[Sequence[ImageFile], list[Decoded]]]:
    """The images of files, ``chunk`` by chunk, each read while whoever takes them is busy with the one before."""

    def read(part: Sequence[ImageFile]) -> list[Decoded]:
        return list(decode_all([root / file.name for file in part], size, fit))

    parts = [files[start : start + chunk] for start in range(0, len(files), chunk)]
    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(read, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            images = waiting.pop().result()
            waiting = [reader.submit(read, following) for following in parts[number + 1 : number + 2]]
            yield part, images
