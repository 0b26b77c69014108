"""Images that stand in base64 in one file, or a database, as files of their own: written once, all of them or none."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track

from mkgc.app.files import write_json
from mkgc.app.locks import locked
from mkgc.app.scratch import scratch
from mkgc.app.signals import is_first
from mkgc.data.formats.filenames import encode
from mkgc.errors import DataError

STAMP = "unpacked.json"
"""Says what was unpacked, and what could not be."""

SIGNATURES = {b"\x89PNG": ".png", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}
"""First bytes of formats; what is none of them is called a JPEG. When it is read, the content tells the format."""

URL_SAFE = str.maketrans("-_", "+/")
"""Both alphabets of base64 are in use."""


class Encoded(NamedTuple):
    """An image's id and its bytes in base64, with its place."""

    id: str
    text: str
    place: str


def unpack_images(folder: Path, source: Path, read: Callable[[], Iterable[Encoded]]) -> list[str]:
    """Writes the images of a source that ``read`` reads into a folder, unless they are there; says which are broken.

    An image is called after its id (:func:`mkgc.data.formats.filenames.encode`). One that is no base64 is left out.

    Raises:
        DataError: Two images have one id, the folder holds what was not unpacked, or it cannot be written.
    """
    stamp = _stamp(source)
    try:
        with locked(folder.parent):  # another process may be unpacking it
            if (known := _known(folder)) is not None and known["source"] == stamp:
                return list(known["broken"])
            if known is None and folder.exists():
                raise DataError(f"was not unpacked from {source.name}: move it away", folder)
            with scratch(folder) as beside:
                fresh = beside / "fresh"
                fresh.mkdir()
                broken = _write_all(fresh, read(), source.name)
                write_json(fresh / STAMP, {"source": stamp, "broken": broken})
                if folder.exists():
                    folder.rename(beside / "old")
                fresh.rename(folder)
    except OSError as error:
        raise DataError(f"the images of {source.name} cannot be unpacked: {error.strerror}", folder) from error
    return broken


def _write_all(folder: Path, images: Iterable[Encoded], name: str) -> list[str]:
    hidden = not (Console().is_terminal and is_first())
    seen: dict[str, tuple[str, int]] = {}
    broken = []
    for image in track(images, f"Unpacking {name}", transient=True, disable=hidden):
        place, text = seen.setdefault(image.id, (image.place, hash(image.text)))
        if place != image.place:
            if text != hash(image.text):
                raise DataError(f"the id '{image.id:.40}' is that of another image, too ({place})", image.place)
            continue
        try:
            content = _decoded(image.text)
        except ValueError as error:
            broken.append(f"{image.place} (image {image.id:.40}): {error}")
            continue
        path = folder / (encode(image.id) + _suffix(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return broken


def _decoded(text: str) -> bytes:
    """The bytes of an image.

    Raises:
        ValueError: The text is empty, or no base64.
    """
    if not text:
        raise ValueError("is empty")
    try:
        return base64.b64decode(text.translate(URL_SAFE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"is no base64: {error}") from None


def _suffix(content: bytes) -> str:
    return next((suffix for first, suffix in SIGNATURES.items() if content.startswith(first)), ".jpg")


def _stamp(source: Path) -> dict[str, Any]:
    found = source.stat()
    return {"name": source.name, "bytes": found.st_size, "changed": found.st_mtime_ns}


def _known(folder: Path) -> dict[str, Any] | None:
    """What the folder says of itself; None if nothing was unpacked into it."""
    try:
        return dict(json.loads((folder / STAMP).read_text("utf-8")))
    except (OSError, ValueError):
        return None
