"""Writes what an LMDB database holds to standard output: a program of its own, which a damaged database may end.

LMDB maps its file into memory and trusts it: in one that was changed it may follow a number out of the file, which no
program survives. Each key and each value is preceded by its length.
"""

from __future__ import annotations

import os
import struct
import sys

LENGTH = struct.Struct("<Q")
NOT_INSTALLED, REFUSED = 3, 4
"""Exit codes; what is wrong with a refused file is said on standard error."""


def dump(path: str) -> None:
    """Writes all keys and values, in the order of the keys.

    Raises:
        ValueError: The file is no database, was cut short, or is damaged.
    """
    import lmdb

    try:
        environment = lmdb.open(path, subdir=False, readonly=True, lock=False, readahead=False)
        whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if os.path.getsize(path) < whole:
            raise ValueError(f"was cut short: {os.path.getsize(path):,} bytes instead of {whole:,}")
        with environment.begin(buffers=True) as transaction:
            for part in (part for item in transaction.cursor() for part in item):
                sys.stdout.buffer.write(LENGTH.pack(len(part)))
                sys.stdout.buffer.write(part)
    except lmdb.Error as error:
        raise ValueError(f"is no LMDB, or damaged: {error}") from None


if __name__ == "__main__":
    try:
        dump(sys.argv[1])
    except ImportError:
        sys.exit(NOT_INSTALLED)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
