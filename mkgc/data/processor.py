"""Between a task's examples and its batches; what of it a prediction needs travels in the checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from mkgc.batch import Images, Part, Shared, Text
from mkgc.data.examples import ImagePaths
from mkgc.data.settings import DataSettings
from mkgc.data.states import StatesTable
from mkgc.data.tokens import Tokenizer
from mkgc.images.loaded import LoadedImages


class Processor(ABC):
    """Turns a task's examples into features and these into batches."""

    tokenizer: Tokenizer
    settings: DataSettings

    illustrates: ClassVar[bool] = False
    """Whether features show images of the data set, beside those that a user's record brings."""

    awaited: frozenset[int] = frozenset()
    """The things that had such images in training, as long as no data set is shown: a checkpoint carries none."""

    def new_tokens(self) -> dict[str, int]:
        """Tables of new tokens behind the vocabulary, in the order of their ids; most tasks need none."""
        return {}

    def texts(self) -> dict[str, Sequence[Sequence[int]]]:
        """The texts that examples have in common, by kind, in pieces; most tasks have nothing."""
        return {}

    @abstractmethod
    def collate(self, features: Sequence[Any], store: LoadedImages) -> Part:
        """A batch of the features, padded to the longest of them."""

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

    def illustrations(self, features: Mapping[str, Sequence[Any]]) -> Iterable[ImagePaths]:
        """The images of all that batches of a data set may show."""
        return (item.images for part in features.values() for item in part)

    def readings(self, features: Sequence[Any]) -> Iterable[Sequence[int]]:
        """The texts of some features, as batches of them have them."""
        return (item.ids for item in features)

    def without_images(self, features: Sequence[Any]) -> Sequence[Any]:
        """The same features, of which no batch of this processor's shows an image from now on.

        Raises:
            ImagesNeededError: The model cannot do without.
        """
        return [replace(item, images={}) for item in features]

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
    shown = image_rows(images, sizes, max_images, store)
    return packed(shown, sizes, store, share(shown, store.states))


Shown = tuple[tuple[int, ...], ...]
"""The images of an example, by group and by their rows in the store."""


def image_rows(
    images: Iterable[ImagePaths], sizes: Mapping[str, int], max_images: int, store: LoadedImages
) -> list[Shown]:
    """Which of its images each example shows: those that can be used."""

    def rows(paths: Sequence[Path], size: int) -> tuple[int, ...]:
        found = (store.index(path, size) for path in paths[:max_images])
        return tuple(row for row in found if row is not None)

    return [tuple(rows(files.get(group, ()), size) for group, size in sizes.items()) for files in images]


def share(inputs: Sequence[Hashable], known: StatesTable | None = None) -> Shared:
    """Which of some inputs differ, and which of those each is; with the states of those that are known."""
    first: dict[Hashable, int] = {}
    for row, key in enumerate(inputs):
        first.setdefault(key, row)
    found = [] if known is None else [key for key in first if key in known]
    others = first.keys() - set(found)
    computed = [row for key, row in first.items() if key in others]
    order = {key: i for i, key in enumerate([*found, *(inputs[row] for row in computed)])}
    states, mask = known.take(found) if known is not None and found else (None, None)
    rows, place = (torch.tensor(part, dtype=torch.long) for part in (computed, [order[key] for key in inputs]))
    return Shared(rows, place, states, mask)


def packed(shown: Sequence[Shown], sizes: Mapping[str, int], store: LoadedImages, shared: Shared) -> tuple[Images, ...]:
    """Images by their rows, each taken once; those that only examples with known states show have no pixels."""
    shares = [shared, *[replace(shared, states=None, mask=None)] * (len(sizes) - 1)]
    computed = set(shared.rows.tolist())
    groups = []
    for i, (group, size) in enumerate(sizes.items()):
        needed = sorted({row for example in computed for row in shown[example][i]})
        place = {row: n for n, row in enumerate(dict.fromkeys([*needed, *(row for rows in shown for row in rows[i])]))}
        slots = pad([[place[row] for row in rows[i]] for rows in shown], -1)
        groups.append(Images(group, store.take(needed, size), slots, shares[i]))
    return tuple(groups)


def share_texts(text: Text, known: StatesTable) -> Text:
    """The texts with the states of those that are known; they have nothing but their ids."""
    lengths = text.mask.sum(1)
    if not torch.equal(text.mask, torch.arange(text.mask.shape[1]) < lengths[:, None]) or text.segments.any():
        return text
    rows = zip(text.ids.tolist(), lengths.tolist(), strict=True)
    return replace(text, shared=share([tuple(ids[:length]) for ids, length in rows], known))
