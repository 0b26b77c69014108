"""Files of data sets: found under one of several names, listed, and read line by line as strict UTF-8."""

from __future__ import annotations

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path

from mkgc.errors import DataError


def find(*candidates: Path, why: str = "") -> Path:
    """The first of the files that exists; ``why`` says what needs it, where that is not obvious.

    Raises:
        DataError: None does.
    """
    for path in candidates:
        if path.is_file():
            return path
    first, *others = candidates
    if not first.parent.is_dir():
        raise DataError("no such folder", first.parent)
    names = dict.fromkeys(path.name for path in others if path.name != first.name)
    reason = ", nor ".join(["no such file", *names])
    raise DataError(f"{reason}, {why}" if why else reason, first)


def list_folder(folder: Path) -> list[tuple[str, bool]]:
    """The names in a folder, sorted, and which of them are folders; pipes and dead links are left out.

    There are none where there is no such folder.

    Raises:
        DataError: It cannot be read.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", folder) from error
    kinds = ((entry.name, _is_folder(entry)) for entry in entries)
    return [(name, kind) for name, kind in kinds if kind is not None]


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    try:
        return entry.is_dir() or (False if entry.is_file() else None)
    except OSError:  # links that go in circles
        return None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines numbered from 1, without their ends (LF or CRLF) and without a byte order mark.

    Raises:
        DataError: There is no such file, it cannot be read, a line is not UTF-8, or the first one goes on behind a CR.
    """
    for number, line in attempt_lines(path):
        if isinstance(line, DataError):
            raise line
        yield number, line


def attempt_lines(path: Path) -> Iterator[tuple[int, str | DataError]]:
    """The same, with the error in the place of a line that is not UTF-8.

    Raises:
        DataError: There is no such file, it cannot be read, or all of it is in another encoding.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                    raise DataError("is UTF-16: save the file as UTF-8", path)
                yield number, decode_line(line, path, number)
    except FileNotFoundError:
        raise DataError("no such file", path) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {getattr(error, 'strerror', error)}", path) from error


def decode_line(line: bytes, path: Path, number: int) -> str | DataError:
    """The text of a line, without its end, or what is wrong with it."""
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
        return DataError(f"{byte} is not UTF-8: save the file as UTF-8", path, number)
    text = text.rstrip("\r\n")
    if number == 1 and "\r" in text:
        raise DataError("lines end in CR alone, as old Macs wrote them: save the file with LF or CRLF", path, number)
    return text
