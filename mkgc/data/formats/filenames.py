"""Names of an entity's image or folder, and which entity a file's name stands for.

The one rule that always works is percent-encoding: what some file system cannot hold, and `%` itself, is written as `%`
and the two hexadecimal digits of each of its bytes in UTF-8; a name longer than 200 bytes goes on inside a folder whose
name ends in a bare `%`. Reading undoes it, whatever else was encoded.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import unquote

LONGEST = 200
"""Bytes of a part of a name; file systems hold 255, and a suffix must fit."""

MORE = "%"
"""The end of the name of a folder in which a name goes on; in an encoded name two digits follow every `%`."""

UNFIT = re.compile(r'[\0-\x1f\x7f-\x9f%/\\:*?"<>|]|^\.|[. ]$')
"""Characters that some file system cannot hold: a dot in front hides a file, at the end it gets lost."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".jp2", ".jfif", ".jpe", ".avif", ".ppm")
"""Usual suffixes of images in small letters, the most usual first; the content tells the format."""


def encode(entity: str) -> str:
    """A path below a folder of images that stands for this entity alone; :func:`decode` gives the entity back."""
    parts, length = [""], 0
    for piece in re.findall("%..|[^%]", UNFIT.sub(_percent, entity)):
        length += len(piece.encode())
        if length > LONGEST - len(MORE):
            parts.append("")
            length = len(piece.encode())
        parts[-1] += piece
    return f"{MORE}/".join(parts)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def decode(name: str) -> str:
    """The entity that an encoded path stands for; characters that Unicode can write in two ways are composed."""
    return compose(unquote(name.replace(f"{MORE}/", "")))


def compose(name: str) -> str:
    """The composed form of a name (NFC): macOS decomposes names, and archives keep that."""
    return normalize("NFC", name)


def released(entity: str) -> str:
    """The released benchmarks' name for the folder of an entity: a dot for each slash, but none for one in front.

    Source: MKGformer's MKG/data.
    """
    return entity.strip("/").replace("/", ".")


def stem(name: str) -> str:
    """A file's name without a usual suffix of an image."""
    base, dot, suffix = name.rpartition(".")
    return base if base and f"{dot}{suffix}".lower() in SUFFIXES else name
