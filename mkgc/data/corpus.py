"""A data set that has been read: items of each split, the pictures they point to, and how complete they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mkgc.data.codec import Codec
from mkgc.data.coverage import Coverage
from mkgc.data.images import PictureStore


@dataclass(frozen=True)
class Corpus:
    """What a task's reader returns."""

    codec: Codec
    items: Mapping[str, Sequence[Any]]
    store: PictureStore
    coverage: Coverage
