"""Errors a user can cause: commands print the message and exit with 2; anything else is a bug and keeps its trace."""

from __future__ import annotations

from pathlib import Path


class MkgcError(Exception):
    """A mistake that the user can mend; the message says what was wrong and what would be right."""


class ConfigError(MkgcError):
    """A key, a value or a combination of them that cannot be run."""


class DataError(MkgcError):
    """A file or a line of the user's data that cannot be used.

    The message reads ``path:line: reason``, as far as path and line are known.
    """

    def __init__(self, reason: str, path: Path | str | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + reason)


class CheckpointError(MkgcError):
    """A checkpoint that is missing, damaged or of another kind."""
