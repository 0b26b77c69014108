"""Projects of users who start from files of their own: commands are run as they are typed into a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., str]:
    """Runs a command line in the project's folder and returns what it printed; the code must be 0 unless said."""

    def run(line: str, code: int = 0, environment: Mapping[str, str] | None = None) -> str:
        words = [sys.executable if word == "python" else word for word in shlex.split(line)]
        own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **(environment or {})}
        done = subprocess.run(words, cwd=tmp_path, env=os.environ | own, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run
