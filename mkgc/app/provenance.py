"""What made a run: the version of mkgc, the commit of its code, and the command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LONGEST = 5.0
"""Seconds that git is waited for."""


def installed_version() -> str:
    """The version of mkgc; "unknown" where it is no installed package, but a folder on the path."""
    try:
        return version("mkgc")
    except PackageNotFoundError:
        return "unknown"


def provenance() -> dict[str, Any]:
    """``version``, ``command``, and where the code lies in a repository its ``commit`` and whether that was ``dirty``:
    whether files that git knows had changes that no commit has."""
    command = shlex.join(["python", *sys.orig_argv[1:]])
    return {"version": installed_version(), "command": command, **_commit(Path(__file__).parent)}


def _commit(folder: Path) -> dict[str, Any]:
    """Nothing where git does not know this file: a repository around an environment is somebody else's."""
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", ":/")
    return {} if commit is None or changed is None else {"commit": commit, "dirty": bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    """The output of a command of git; None where it fails, or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=LONGEST
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
