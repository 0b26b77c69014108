"""Errors that are no mistake of a user's: faults of a disk are a line, bugs a line and a traceback in a file."""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from mkgc.app.provenance import installed_version
from mkgc.errors import one_line

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def explain_disk(error: BaseException, folder: Path) -> str | None:
    """The line for a disk that takes no more, or nothing at all; None for any other error.

    A place that may not be opened counts only if the error names it. Errors of writing do not: for a full disk, the
    ``folder`` that the command writes to is named.
    """
    if not isinstance(error, OSError):
        return None
    place = error.filename if error.filename2 is None else error.filename2
    if error.errno in FULL:
        where = place or folder
        return one_line(f"{where}: {error.strerror}: make room; what was saved before is kept")
    if error.errno in CLOSED and place is not None:
        return one_line(f"{place}: {error.strerror}")
    return None


def record_bug(error: BaseException, folder: Path) -> str:
    """Writes what a report of a bug needs into the run's folder, or that for temporary files; returns a line."""
    about = f"mkgc {installed_version()}, Python {platform.python_version()}, {platform.platform()}"
    text = "\n".join([about, " ".join(sys.argv), "", *traceback.format_exception(error)])
    said = one_line(f"{type(error).__name__}: {error}", 300)
    places = [folder] if folder != Path.cwd() else []
    for place in [*places, Path(tempfile.gettempdir())]:
        path = place / f"mkgc-error-{os.getpid()}.log"
        try:
            path.write_text(text, "utf-8", "backslashreplace")
        except OSError:
            continue
        return f"{said}: a bug of mkgc; please report it with {path}"
    return f"{said}: a bug of mkgc; its traceback could be written nowhere\n{text}"
