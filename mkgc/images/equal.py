"""Files with the same content: one picture, whatever they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mkgc.images.store import digests


def first_equal(paths: Iterable[Path]) -> dict[Path, Path]:
    """The first of the files that hold the same as a file does, for each; one that is not there is like no other.

    Only files that are as long as another one are read.
    """
    files = [*dict.fromkeys(paths)]
    by_length: dict[int, list[Path]] = defaultdict(list)
    for path in files:
        by_length[_length(path)].append(path)
    found = digests([path for length, alike in by_length.items() if length >= 0 and len(alike) > 1 for path in alike])
    first: dict[str, Path] = {}
    return {path: first.setdefault(found[path], path) if path in found else path for path in files}


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
