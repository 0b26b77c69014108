"""One reader a published file format; `data.format` says which, where a task can read several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mkgc.errors import ConfigError

Format = TypeVar("Format")


class SentenceFormat(NamedTuple):
    """How a format is read: the examples of a split with the named groups of images, and all labels in order."""

    examples: Callable[[Path, str, Collection[str]], Sequence[Any]]
    labels: Callable[[Path], tuple[str, ...]]


def chosen(formats: Mapping[str, Format], name: str | None) -> Format:
    """The format of that name; a task's first where none is named.

    Raises:
        ConfigError: The task reads no such format.
    """
    if name is None:
        return next(iter(formats.values()))
    if name not in formats:
        raise ConfigError(f"data.format={name}: this task reads {', '.join(formats)}; choose another data=…")
    return formats[name]
