"""The fields that the library asks of an example: a task's own frozen dataclass has these beside its labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

SPLITS: tuple[str, ...] = ("train", "dev", "test")

ImagePaths = Mapping[str, tuple[Path, ...]]
"""Group name (``image``, ``crops``, ``objects``) to the image files of that group, in order."""


class Span(NamedTuple):
    """Half-open range of token positions."""

    start: int
    end: int


@runtime_checkable
class Illustrated(Protocol):
    """An example with images."""

    @property
    def images(self) -> ImagePaths: ...


@runtime_checkable
class Sentence(Illustrated, Protocol):
    """A sentence with images."""

    @property
    def tokens(self) -> tuple[str, ...]: ...
