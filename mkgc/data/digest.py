"""A digest of a data set's examples: figures are compared only where it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

LENGTH = 8
"""Bytes of a digest; the data sets that somebody compares are few."""


def digest(splits: Mapping[str, Any], names: Iterable[str] = ()) -> str:
    """A digest of the examples of all splits, in their order, and of the ``names`` that numbers in them stand for.

    Of an example counts what it is compared by, but for its images: models that read some are compared with models that
    read none. Rows of an array count as they are.

    >>> digest({"test": [("Rome", 1)]}) == digest({"test": [("Rome", 2)]})
    False
    """
    found = hashlib.blake2b(digest_size=LENGTH)
    for name in names:
        found.update(f"{name}\n".encode("utf-8", "surrogatepass"))
    for split, examples in splits.items():
        found.update(f"{split}: {len(examples)}\n".encode())
        for part in _parts(examples):
            found.update(part)
    return found.hexdigest()


def _parts(examples: Any) -> Iterator[bytes]:
    if isinstance(examples, np.ndarray):
        yield np.ascontiguousarray(examples).astype(examples.dtype.newbyteorder("<")).tobytes()
        return
    for example in examples:
        yield f"{_plain(example)!r}\n".encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    """What of a value is the same in every process; the kind alone of what is not made of plain values."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if is_dataclass(value):
        return [
            _plain(getattr(value, field.name)) for field in fields(value) if field.compare and field.name != "images"
        ]
    if isinstance(value, Mapping):
        return [(_plain(key), _plain(each)) for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(_plain, value)))
    if isinstance(value, Sequence):
        return [*map(_plain, value)]
    return type(value).__name__
