"""Values of LMDB databases by their keys; databases that were cut short are refused before they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from mkgc.errors import ConfigError, DataError

FILE = "data.mdb"


def lmdb_file(folder: Path) -> Path | None:
    """The file of a database that is a folder; None where there is none."""
    return path if (path := folder / FILE).is_file() else None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A transaction that reads the database of a file.

    Raises:
        ConfigError: LMDB is not installed.
        DataError: The file is no database, or was cut short: its pages are mapped, and a missing one would end the
            process.
    """
    try:
        lmdb = import_module("lmdb")
    except ImportError as error:
        raise ConfigError(f"'{path}' needs LMDB, which is not installed: pip install mkgc[lmdb]") from error
    try:
        environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise DataError(f"is no LMDB: {error}", path) from None
    try:
        whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if path.stat().st_size < whole:
            raise DataError(f"was cut short: {path.stat().st_size:,} bytes instead of {whole:,}", path)
        with environment.begin(buffers=True) as transaction:
            yield transaction
    except lmdb.Error as error:
        raise DataError(f"is damaged: {error}", path) from None
    finally:
        environment.close()


def value(transaction: Any, key: str, path: Path) -> bytes:
    """The value of a key.

    Raises:
        DataError: There is none.
    """
    found = transaction.get(key.encode())
    if found is None:
        raise DataError(f"has no key '{key}'", path)
    return bytes(found)
