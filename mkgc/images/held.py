"""Images that a program holds: named in its records, so that these are read as if they named files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mkgc.errors import DataError
from mkgc.images.decode import Held
from mkgc.images.tones import from_floats, from_integers

DEPTH = 4
"""Levels of a record in which an image may stand: {"head": {"images": [image]}} has three."""


def take_images(
    records: Sequence[Mapping[str, Any] | DataError], places: Sequence[str], folder: Path
) -> tuple[list[Any], dict[Path, Held]]:
    """Records that hold names instead of images, or what is wrong with them, and the images by the files so named.

    An image is one of Pillow's, an array of height × width (× 1, 3 or 4 channels), or the bytes of an image file.
    """
    held: dict[Path, Held] = {}
    named: list[Any] = []
    for number, (record, place) in enumerate(zip(records, places, strict=True), start=1):
        found: dict[Path, Held] = {}
        try:
            named.append(_named(record, f"of record {number}", folder, found))
        except ValueError as error:
            named.append(DataError(str(error), place))
        held |= found
    return named, held


def _named(value: Any, whose: str, folder: Path, held: dict[Path, Held], depth: int = 0) -> Any:
    """A value with names for the images in it, which are put into ``held``, and for paths."""
    if isinstance(value, Mapping) and depth < DEPTH:
        return {key: _named(one, whose, folder, held, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple) and depth < DEPTH:
        return [_named(one, whose, folder, held, depth + 1) for one in value]
    if isinstance(value, PathLike):
        return str(value)
    if not isinstance(value, Image.Image | np.ndarray | bytes | bytearray):
        return value
    name = f"<image {len(held) + 1} {whose}>"
    held[folder / name] = _kept(value)
    return name


def _kept(value: Image.Image | np.ndarray | bytes | bytearray) -> Held:
    """The image as it is now, whatever the program does with its own afterwards."""
    if isinstance(value, np.ndarray):
        return _of_array(value)
    return value.copy() if isinstance(value, Image.Image) else bytes(value)


def _of_array(array: np.ndarray) -> Image.Image:
    """Numbers of any range that images have (:mod:`mkgc.images.tones`) as bytes.

    Raises:
        ValueError: They are no image's.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0 or array.dtype.kind not in "buif":
        raise ValueError(
            "an array that is an image has numbers of height × width, or height × width × 1, 3 or 4 channels, "
            f"not {array.dtype} of {' × '.join(map(str, array.shape))}"
        )
    rows = array.reshape(len(array), -1)
    if array.dtype != np.uint8:
        rows = (
            from_floats(rows)
            if array.dtype.kind == "f"
            else from_integers(rows * 255 if array.dtype.kind == "b" else rows)
        )
    return Image.fromarray(rows.reshape(array.shape[:2] if channels == 1 else array.shape))
