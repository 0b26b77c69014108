"""Between a task's examples and its batches; what of it a prediction needs travels in the checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Images, Part, Shared, Text
from mkgc.data.examples import ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer
from mkgc.images.loaded import LoadedImages


class Processor(ABC):
    """Turns a task's examples into items and items into batches."""

    tokenizer: Tokenizer
    settings: DataSettings

    illustrates: ClassVar[bool] = False
    """Whether items show images of the data set, beside those that a user's record brings."""

    awaited: frozenset[int] = frozenset()
    """What had such images in training, as long as no data set is shown: a checkpoint carries none."""

    def new_tokens(self) -> dict[str, int]:
        """Tables of new tokens behind the vocabulary, in the order of their ids; most tasks need none."""
        return {}

    def texts(self) -> dict[str, Sequence[Sequence[int]]]:
        """What examples have in common of text, by kind, in pieces; most tasks have nothing."""
        return {}

    @abstractmethod
    def collate(self, features: Sequence[Any], store: LoadedImages) -> Part:
        """A batch of the items, padded to the longest of them."""

    @abstractmethod
    def parse(self, record: Mapping[str, Any], folder: Path, place: str) -> Any:
        """The item of a user's own record, as ``predict`` gets them.

        Raises:
            DataError: It cannot be read; the message begins with its place.
        """

    @abstractmethod
    def named(self) -> dict[str, Sequence[str]]:
        """The names behind its numbers, in order, by what they are names of (word piece, relation, entity …)."""

    def show(self, source: Any, broken: Collection[Path] = ()) -> None:  # noqa: B027  # most have none to take
        """Takes the images of a data set just read, but for ``broken`` ones."""

    def unshown(self, item: Any) -> bool:
        """Whether an item lacks images that are awaited."""
        return False

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Plain values from which :meth:`from_state` makes an equal processor."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: dict[str, Any]) -> Processor:
        """Undoes :meth:`state`."""


def pad(rows: Sequence[Sequence[int]], value: int, least: int = 0) -> Int[Tensor, "B T"]:
    """Rows of numbers as one tensor, filled up to the longest, and at least to a width of ``least``."""
    width = max(least, *map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)


def text_batch(rows: Sequence[Sequence[int]], pad_id: int, least: int = 0) -> Text:
    """Token ids of several texts, all of segment 0, filled up at least to a width of ``least``."""
    ids = pad(rows, pad_id, least)
    lengths = torch.tensor([len(row) for row in rows])
    return Text(ids, torch.arange(ids.shape[1]) < lengths[:, None], torch.zeros_like(ids))


def image_batch(
    images: Sequence[ImagePaths], sizes: dict[str, int], max_images: int, store: LoadedImages
) -> tuple[Images, ...]:
    """The images of several examples, one part a group; an image that several examples share is taken once."""
    rows = [_rows(images, group, size, max_images, store) for group, size in sizes.items()]
    shared = share([tuple(found[example] for found in rows) for example in range(len(images))])
    return tuple(
        _group(group, size, found, store, shared) for (group, size), found in zip(sizes.items(), rows, strict=True)
    )


Rows = tuple[int, ...]
"""The images of an example, by their rows in the store."""


def _rows(images: Sequence[ImagePaths], group: str, size: int, max_images: int, store: LoadedImages) -> list[Rows]:
    found = ([store.index(path, size) for path in files.get(group, ())[:max_images]] for files in images)
    return [tuple(row for row in rows if row is not None) for rows in found]


def share(inputs: Sequence[Hashable]) -> Shared:
    """Which of some inputs differ, and which of those each is."""
    first: dict[Hashable, int] = {}
    for row, key in enumerate(inputs):
        first.setdefault(key, row)
    order = {key: i for i, key in enumerate(first)}
    return Shared(torch.tensor([*first.values()]), torch.tensor([order[key] for key in inputs]))


def _group(group: str, size: int, rows: Sequence[Rows], store: LoadedImages, shared: Shared) -> Images:
    found = sorted({row for part in rows for row in part})
    place = {row: i for i, row in enumerate(found)}
    return Images(group, store.take(found, size), pad([[place[row] for row in part] for part in rows], -1), shared)
