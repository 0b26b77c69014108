"""Files that end with a digest of all that stands before it: a changed bit is noticed, wherever it lies."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mkgc.app.files import atomic_write
from mkgc.app.signals import unmasked

MARK = b"mkgc sha256 "
SEAL = len(MARK) + hashlib.sha256().digest_size
"""Bytes of a seal: the mark, then the digest. Readers of zip archives, such as torch's, look past it."""

CHUNK = 1 << 20

ZIP = b"PK\3\4"


def write_sealed(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file whole or not at all, flushed to disk, with its seal at the end."""
    with atomic_write(path) as beside, beside.open("w+b") as file:
        with unmasked():
            write(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").digest()
        file.write(MARK + digest)
        file.flush()
        os.fsync(file.fileno())


def sealed(path: Path) -> bool:
    """Whether a file ends with a seal, right or wrong."""
    return _seal(path)[: len(MARK)] == MARK


def intact(path: Path) -> bool:
    """Whether a file is to the last bit what :func:`write_sealed` wrote; costs a second for a gigabyte."""
    digest, left = hashlib.sha256(), path.stat().st_size - SEAL
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return _seal(path) == MARK + digest.digest()


def check_sums(path: Path) -> None:
    """Compares the checksums of a zip archive, which torch writes and does not look at; other files have none.

    Raises:
        ValueError: A member has another.
        zipfile.BadZipFile: The archive is damaged elsewhere.
    """
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:
            return
    with zipfile.ZipFile(path) as archive:
        if (broken := archive.testzip()) is not None:
            raise ValueError(f"{broken} has another checksum")


def _seal(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - SEAL, 0))
        return file.read()
