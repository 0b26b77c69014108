"""Picture files become bytes of one size; what cannot be used is named, whatever is wrong with it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mkgc.errors import MkgcError

KINDS = ("missing", "empty", "not a picture", "truncated", "huge", "tiny")
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
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

    Grey, palette, CMYK and 16-bit pictures become RGB, transparency becomes white, of an animation the first frame is
    taken, and the camera's rotation is undone.

    Raises:
        PictureError: There is no such file, or it is empty, truncated, no picture, beyond the pixel limit, or less than
            two pixels wide or high.
    """
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes that are judged here, and of metadata
        return _decoded(path, size, max_pixels)


def _decoded(path: Path, size: int, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "3 size size"]:
    if not path.is_file():
        raise PictureError(path, "missing")
    if path.stat().st_size == 0:
        raise PictureError(path, "empty")
    picture = _rgb(path, max_pixels).resize((size, size), Image.Resampling.BICUBIC)
    return np.array(picture).transpose(2, 0, 1)


def _rgb(path: Path, max_pixels: int) -> Image.Image:
    try:
        with Image.open(path, formats=FORMATS) as file:
            width, height = file.size
            if width * height > max_pixels:
                raise PictureError(path, "huge", f"{width} x {height} pixels, the limit is {max_pixels}")
            if min(width, height) < 2:
                raise PictureError(path, "tiny", f"{width} x {height} pixels")
            file.load()
            return _flattened(_upright(file))
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


def _flattened(picture: Image.Image) -> Image.Image:
    """RGB, on white where the picture is transparent."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        picture = Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


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
