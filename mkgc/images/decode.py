"""Image files become bytes of one size; what cannot be used is named, whatever is wrong with it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mkgc.errors import MkgcError
from mkgc.images.tones import read_tags, to_rgb

KINDS = ("missing", "empty", "not an image", "truncated", "huge", "tiny")
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Plain images only: an EPS, for one, is a program, and Pillow would have Ghostscript run it."""

Fit = Literal["stretch", "crop"]
FITS: tuple[Fit, ...] = ("stretch", "crop")
"""The ways to make an image square."""

Held = Image.Image | bytes
"""An image in memory, or the contents of a file of one."""

LONGEST = 100
"""How many times as long as the shorter side the longer one is resized; 2 × 20,000,000 pixels would fill the memory."""

MAX_PIXELS = 40_000_000
"""More than any photograph of the benchmarks; judged by the header, before anything is unpacked."""


class ImageError(MkgcError):
    """An image file that cannot be used; ``kind`` is one of :data:`KINDS`."""

    def __init__(self, path: Path, kind: str, detail: str = "") -> None:
        super().__init__(f"{path}: {kind}" + (f" ({detail})" if detail else ""))
        self.path, self.kind, self.detail = path, kind, detail

    def __reduce__(self) -> tuple[type[ImageError], tuple[Path, str, str]]:
        """Lets the error travel to worker processes: exceptions are otherwise rebuilt from their message alone."""
        return ImageError, (self.path, self.kind, self.detail)


def read_image(
    path: Path, size: int, max_pixels: int = MAX_PIXELS, fit: Fit = "stretch"
) -> UInt8[np.ndarray, "3 size size"]:
    """The image as RGB bytes of ``size`` × ``size`` pixels; ``fit`` says what becomes of one that is not square.

    The format is told by the content, whatever the file is called. Every mode becomes RGB by the rule of
    :mod:`mkgc.images.tones`, transparency becomes white, of an animation the first frame is taken, and the camera's
    rotation is undone.

    Raises:
        ImageError: There is no such file, or it is empty, truncated, no image, beyond the pixel limit, or less than
            two pixels wide or high.
    """
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes that are judged here, and of metadata
        return _decoded(path, size, max_pixels, fit)


def read_thumbnail(path: Path, longest: int) -> Image.Image:
    """The image in RGB, as it is to be looked at: whole, and no side longer than ``longest`` pixels.

    Raises:
        ImageError: It cannot be used, as :func:`read_image` says.
    """
    if _size(path) == 0:
        raise ImageError(path, "empty")
    with warnings.catch_warnings(action="ignore"):
        image = _rgb(path, MAX_PIXELS)
    image.thumbnail((longest, longest))
    return image


def _decoded(
    path: Path, size: int, max_pixels: int = MAX_PIXELS, fit: Fit = "stretch", held: Held | None = None
) -> UInt8[np.ndarray, "3 size size"]:
    """What is ``held`` in memory stands for the file."""
    if held == b"" or (held is None and _size(path) == 0):
        raise ImageError(path, "empty")
    return np.array(squared(_rgb(path, max_pixels, held), size, fit)).transpose(2, 0, 1)


def squared(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """The image in ``size`` × ``size`` pixels: stretched, or its shorter side resized to it and the centre kept.

    Source of "crop", roundings included: CLIPImageProcessor of transformers.
    """
    if fit == "stretch":
        return image.resize((size, size), Image.Resampling.BICUBIC)
    shorter = min(image.size)
    image = _centre(image, *(min(side, LONGEST * shorter) for side in image.size))
    width, height = (int(size * side / shorter) for side in image.size)
    return _centre(image.resize((width, height), Image.Resampling.BICUBIC), size, size)


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _size(path: Path) -> int:
    """Bytes of a file; one that no file can be called is missing, too."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise ImageError(path, "missing", "" if absent else getattr(error, "strerror", "") or str(error)) from None
    if not S_ISREG(found.st_mode):
        raise ImageError(path, "missing")
    return found.st_size


def _rgb(path: Path, max_pixels: int, held: Held | None = None) -> Image.Image:
    try:
        if isinstance(held, Image.Image):
            return _converted(path, held, max_pixels)
        with Image.open(path if held is None else BytesIO(held), formats=FORMATS) as file:
            return _converted(path, file, max_pixels)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(path, "not an image", f"none of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise ImageError(path, "huge", f"the limit is {max_pixels} pixels") from None
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        raise ImageError(path, "truncated", str(error).splitlines()[0] if str(error) else "") from None


def _converted(path: Path, image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(path, "huge", f"{width} x {height} pixels, the limit is {max_pixels}")
    if min(width, height) < 2:
        raise ImageError(path, "tiny", f"{width} x {height} pixels")
    image.load()
    return to_rgb(_upright(image), read_tags(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata says nothing against the pixels
        return image


def is_image(path: Path) -> bool:
    """Whether a file begins as one of the :data:`FORMATS` does, whatever it is called."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS):
            return True
    except Exception:  # damaged bytes make decoders raise nearly anything
        return False


def is_readable(path: Path) -> bool:
    """Whether a file is an image that can be used."""
    try:
        read_image(path, 1)
    except ImageError:
        return False
    return True


def decode_all(
    paths: Sequence[Path], size: int, fit: Fit = "stretch", held: Mapping[Path, Held] | None = None
) -> Iterator[UInt8[np.ndarray, "3 size size"] | ImageError]:
    """The images of several files in their order, decoded by several threads; an error where one cannot be used.

    What is ``held`` in memory is not looked for on disk.
    """
    # The filter of warnings is the process's: it is set here once, not in each thread.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(partial(_attempted, size=size, fit=fit, held=held or {}), paths)


def _attempted(path: Path, size: int, fit: Fit, held: Mapping[Path, Held]) -> np.ndarray | ImageError:
    try:
        return _decoded(path, size, fit=fit, held=held.get(path))
    except ImageError as error:
        return error
