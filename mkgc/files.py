"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mkgc.errors import MkgcError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: once that is done without an error, it takes the place of ``path``."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes plain values as a JSON file, whole.

    Raises:
        MkgcError: A number in it is not finite, which no JSON can hold.
    """
    with whole(path) as beside:
        beside.write_text(json_text(value, indent=2) + "\n", "utf-8")


def json_text(value: Any, **options: Any) -> str:
    """The same as text; ``options`` are those of :func:`json.dumps`."""
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError as error:
        raise MkgcError("a result is not a finite number: the model has diverged, and no JSON can hold it") from error
