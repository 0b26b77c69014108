"""Picture files become bytes of one size; what cannot be used is named, whatever is wrong with it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from stat import S_ISREG

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mkgc.data.tones import read_tags, to_rgb
from mkgc.errors import MkgcError

KINDS = ("missing", "empty", "not a picture", "truncated", "huge", "tiny")
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Plain pictures only: an EPS, for one, is a program, and Pillow would have Ghostscript run it."""

MAX_PIXELS = 40_000_000
"""More than any photograph of the benchmarks; judged by the header, before anything is unpacked."""


class PictureError(MkgcError):
    """A picture file that cannot be used; ``kind`` is one of :data:`KINDS`."""

    def __init__(self, path: Path, kind: str, detail: str = "") -> None:
        super().__init__(f"{path}: {kind}" + (f" ({detail})" if detail else ""))
        self.path, self.kind, self.detail = path, kind, detail

    def __reduce__(self) -> tuple[type[PictureError], tuple[Path, str, str]]:
        """Lets the error travel to worker processes: exceptions are otherwise rebuilt from their message alone."""
        return PictureError, (self.path, self.kind, self.detail)


def read_picture(path: Path, size: int, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "3 size size"]:
    """The picture as RGB bytes of ``size`` × ``size`` pixels, stretched where it is not square.

    The format is told by the content, whatever the file is called. Every mode becomes RGB by the rule of
    :mod:`mkgc.data.tones`, transparency becomes white, of an animation the first frame is taken, and the camera's
    rotation is undone.

    Raises:
        PictureError: There is no such file, or it is empty, truncated, no picture, beyond the pixel limit, or less than
            two pixels wide or high.
    """
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes that are judged here, and of metadata
        return _decoded(path, size, max_pixels)


def _decoded(path: Path, size: int, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "3 size size"]:
    if _size(path) == 0:
        raise PictureError(path, "empty")
    picture = _rgb(path, max_pixels).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(picture).transpose(2, 0, 1)


def _size(path: Path) -> int:
    """Bytes of a file; one that no file can be called is missing, too."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise PictureError(path, "missing", "" if absent else getattr(error, "strerror", "") or str(error)) from None
    if not S_ISREG(found.st_mode):
        raise PictureError(path, "missing")
    return found.st_size


def _rgb(path: Path, max_pixels: int) -> Image.Image:
    try:
        with Image.open(path, formats=FORMATS) as file:
            width, height = file.size
            if width * height > max_pixels:
                raise PictureError(path, "huge", f"{width} x {height} pixels, the limit is {max_pixels}")
            if min(width, height) < 2:
                raise PictureError(path, "tiny", f"{width} x {height} pixels")
            file.load()
            return to_rgb(_upright(file), read_tags(file))
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(path, "not a picture", f"none of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise PictureError(path, "huge", f"the limit is {max_pixels} pixels") from None
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        raise PictureError(path, "truncated", str(error).splitlines()[0] if str(error) else "") from None


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged metadata says nothing against the pixels
        return picture


def decode_all(paths: Sequence[Path], size: int) -> Iterator[UInt8[np.ndarray, "3 size size"] | PictureError]:
    """The pictures of several files in their order, decoded by several threads; an error where one cannot be used."""
    # The filter of warnings is the process's: it is set here once, not in each thread.
    with warnings.catch_warnings(action="ignore"), ThreadPool(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.imap(partial(_attempted, size=size), paths)


def _attempted(path: Path, size: int) -> np.ndarray | PictureError:
    try:
        return _decoded(path, size)
    except PictureError as error:
        return error
