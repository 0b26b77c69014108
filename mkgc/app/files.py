"""Files that are written whole or not at all, wherever a user's path leads: to a file, a link, a pipe or a device."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, BinaryIO

from mkgc.errors import ConfigError, MkgcError

DESCRIPTORS = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")
"""Folders whose entries are this process's own open files; /dev/stdout is a link into one of them."""

ACTING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0001-\U000e007f]")
"""Signs that JSON may hold as they are, and that command a terminal, turn text around or cannot be written."""

NAME_BYTES = 200
"""How much of a file's name its temporary name holds; file systems allow 255 bytes in all."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A name to write to: once that is done without an error, its contents take the place of what is at ``path``.

    Links are followed: their target is replaced. A pipe or a device is not replaced but written to, at the end; a
    reader that has hung up by then has all it wants.
    """
    if not is_plain(path):
        with TemporaryDirectory() as folder:
            yield Path(folder) / "whole"
            _pour(Path(folder) / "whole", path)
        return
    path = path.resolve()
    beside = path.with_name(f".{os.fsdecode(os.fsencode(path.name)[:NAME_BYTES])}.{os.getpid()}")
    try:
        yield beside
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except Exception as error:
        _name(error, path, beside)
        raise
    finally:
        beside.unlink(missing_ok=True)


def _name(error: BaseException | None, path: Path, beside: Path) -> None:
    """Names the file in errors of the disk behind an error: those of writing name none."""
    while error is not None:
        if isinstance(error, OSError) and error.filename in (None, str(beside)):
            error.filename, error.filename2 = str(path), None
        error = error.__cause__ or error.__context__


def write_json(path: Path, value: Any) -> None:
    """Writes plain values as a JSON file, whole.

    Raises:
        MkgcError: A number in it is not finite, which no JSON can hold.
    """
    write_whole(path, json_text(value, indent=2) + "\n")


def json_text(value: Any, **options: Any) -> str:
    """The same as text; ``options`` are those of :func:`json.dumps`. What would act on a terminal is escaped."""
    try:
        return ACTING.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(value, allow_nan=False, **options))
    except ValueError as error:
        raise MkgcError("a result is not a finite number: the model has diverged, and no JSON can hold it") from error


def write_whole(path: Path, text: str) -> None:
    """Writes a UTF-8 text file as :func:`atomic_write` does; what names of files hold that is no UTF-8 is escaped."""
    with atomic_write(path) as beside:
        beside.write_text(text, "utf-8", "backslashreplace")


def check_output(output: str, *read: Path) -> None:
    """Checks that ``output=`` can be written to, before anything is computed.

    ``read`` are the files that the command reads, which it must not overwrite by whatever name.

    Raises:
        ConfigError: It is one of them, a folder, in a folder that does not exist, or not open to writing.
    """
    try:
        fault = _fault(output, read)
    except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, a circle of links, a NUL
        fault = f"cannot be written: {getattr(error, 'strerror', None) or error}"
    if fault is not None:
        raise ConfigError(f"output={output}: {fault}")


def check_output_folder(output: str, key: str = "output") -> None:
    """The same for a folder that a ``key`` names, which is made where it does not exist.

    Raises:
        ConfigError: It is a file, below one, or not open to writing.
    """
    try:
        path = _resolved(Path(output))
        there = next(folder for folder in (path, *path.parents) if folder.exists())
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{key}={output}: cannot be made: {getattr(error, 'strerror', None) or error}") from None
    if not there.is_dir():
        raise ConfigError(f"{key}={output}: {there} is a file, and a folder is wanted")
    try:
        _try(there)
    except OSError as error:
        raise ConfigError(f"{key}={output}: the folder {there} cannot be written to: {error.strerror}") from None


def is_plain(path: Path) -> bool:
    """Whether a path leads to a file or to nothing yet: to what is replaced, and not written to as pipes are."""
    return _descriptor(path) is None and (not path.exists() or stat.S_ISREG(path.stat().st_mode))


def is_stdout(path: Path) -> bool:
    """Whether a path leads to where this process's standard output goes."""
    with suppress(OSError, ValueError):
        return os.path.samestat(path.stat(), os.fstat(1))
    return False


def only_contents(output: str | None) -> AbstractContextManager[object]:
    """Sends what is printed to the standard error meanwhile, if the ``output`` itself goes to the standard output."""
    return redirect_stdout(sys.stderr) if output is not None and is_stdout(Path(output)) else nullcontext()


def _fault(output: str, read: tuple[Path, ...]) -> str | None:
    path = Path(output)
    for other in read:
        if path.exists() and other.exists() and path.samefile(other):
            return f"is {other}, which is read: give another file"
    if path.is_dir() or output.endswith(os.sep) or not output:
        return "is a folder: give the name of a file"
    if (number := _descriptor(path)) is not None:
        return None if _writable(number) else "is not open for writing"
    path = _resolved(path)
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.exists() and (path.is_socket() or not os.access(path, os.W_OK)):
        return "cannot be written to"
    if is_plain(path):
        _try(path.parent)
    return None


def _resolved(path: Path) -> Path:
    if (path := path.resolve()).is_symlink():  # of a circle, which Python 3.13 leaves as it is
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return path


def _try(folder: Path) -> None:
    """Makes a file without a name in a folder: what the system allows, only trying tells."""
    with TemporaryFile(dir=folder):
        pass


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a path stands for, as /dev/stdout and /dev/fd/63 do."""
    own = {*DESCRIPTORS, *map(os.path.realpath, DESCRIPTORS)}
    for _ in range(40):  # as many links as Linux follows
        if str(path.parent) in own or os.path.realpath(path.parent) in own:
            return int(path.name) if path.name.isdecimal() else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _writable(number: int) -> bool:
    try:
        return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def _pour(source: Path, path: Path) -> None:
    sys.stdout.flush()
    try:
        with suppress(BrokenPipeError), source.open("rb") as file, _opened(path) as stream:
            shutil.copyfileobj(file, stream)
    except OSError as error:
        _name(error, path, source)
        raise


def _opened(path: Path) -> BinaryIO:
    number = _descriptor(path)
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")
