"""Small copies of images, within a page: one that cannot be shown says why."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

LONGEST = 160
"""Pixels of the longer side."""


class Thumbnail(NamedTuple):
    """An image by the ``name`` that its data set gives it: a ``data:`` address, or the ``problem`` with it."""

    name: str
    address: str = ""
    problem: str = ""


def thumbnail(path: Path, name: str) -> Thumbnail:
    """A small copy of a file, whatever its format; of one that cannot be used, why."""
    from mkgc.images.decode import ImageError, read_thumbnail

    try:
        image = read_thumbnail(path, LONGEST)
    except ImageError as error:
        return Thumbnail(name, problem=error.kind)
    out = BytesIO()
    image.save(out, "JPEG", quality=80)
    return Thumbnail(name, f"data:image/jpeg;base64,{b64encode(out.getvalue()).decode()}")
