"""Keys and values of LMDB databases, read by another process: a damaged database may end that, and is then refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mkgc.data.formats.lmdb_dump import LENGTH, NOT_INSTALLED, REFUSED
from mkgc.errors import ConfigError, DataError

FILE = "data.mdb"
PROGRAM = Path(__file__).with_name("lmdb_dump.py")


def lmdb_file(folder: Path) -> Path | None:
    """The file of a database that is a folder; None where there is none."""
    return path if (path := folder / FILE).is_file() else None


def read_values(path: Path) -> Iterator[tuple[str, bytes]]:
    """All keys and values of a database's file, in the order of the keys.

    Raises:
        ConfigError: LMDB is not installed.
        DataError: The file is no database, was cut short, or is damaged.
    """
    left = path.stat().st_size  # values lie in the file, each once: more of them go in a circle
    command = [sys.executable, "-P", str(PROGRAM), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        try:
            while (key := _part(reader.stdout, left)) is not None and (value := _part(reader.stdout, left)) is not None:
                left -= len(key) + len(value)
                yield key.decode("utf-8", "replace"), value
            said = reader.stderr.read().decode("utf-8", "replace").strip()
        except OverflowError:
            raise DataError("is damaged: it holds more than its own size", path) from None
        finally:
            reader.kill()  # it may still be writing what nobody wants any longer
    if reader.returncode == NOT_INSTALLED:
        raise ConfigError(f"'{path}' needs LMDB, which is not installed: pip install mkgc[lmdb]")
    if reader.returncode:
        raise DataError(said if reader.returncode == REFUSED else "is damaged: reading it ended the process", path)


def _part(stream: IO[bytes], most: int) -> bytes | None:
    """A key or a value; None at the end of the stream, or where it breaks off.

    Raises:
        OverflowError: It has more bytes than there may be.
    """
    length = stream.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    (count,) = LENGTH.unpack(length)
    if count > most:
        raise OverflowError
    part = stream.read(count)
    return part if len(part) == count else None
