"""Tables of the Atlas as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_rows(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Writes rows of cells between tabs."""
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
