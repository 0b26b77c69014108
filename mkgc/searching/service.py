"""A searcher for many at once: questions go through the model together, images are read by few threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from mkgc.images.decode import read_thumbnail
from mkgc.searching.batching import Batcher
from mkgc.searching.query import checked_text
from mkgc.searching.searcher import Hit, Searcher

TOGETHER, WAITING = 32, 1000
"""Questions that go through the model at once, and that may wait for it."""

READERS = 2
"""Threads that decode images; each may need the memory of 40 million pixels."""

KEPT = 2000
"""Small copies of images that are kept in memory."""

SMALL, LARGE = 320, 1600
"""Pixels of the longer side of an image among others, and alone."""

Result = TypeVar("Result")


class Asked(NamedTuple):
    """A text, or the pixels of an image, and how many images are wanted."""

    text: str | None
    pixels: np.ndarray | None
    k: int


class Service:
    """Answers questions without blocking whoever waits for others."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher = searcher
        self._questions = Batcher(self._answer, TOGETHER, WAITING)
        self._readers = ThreadPoolExecutor(READERS)
        self._small = lru_cache(KEPT)(self._copy)

    async def by_text(self, text: str, k: int) -> list[Hit]:
        """The images nearest to a text.

        Raises:
            QueryError: The text cannot be searched for, or too many questions wait.
        """
        return await asyncio.wrap_future(self._questions.submit(Asked(checked_text(text), None, k)))

    async def by_image(self, content: bytes, k: int) -> tuple[list[Hit], np.ndarray]:
        """The images nearest to an image file of this content, and what the model sees of that.

        Raises:
            ImageError: It cannot be used.
            QueryError: Too many questions wait.
        """
        pixels = await self._reading(lambda: self.searcher.decode(content))
        return await asyncio.wrap_future(self._questions.submit(Asked(None, pixels, k))), pixels

    async def copy(self, number: int, small: bool) -> bytes:
        """An image of the index as a JPEG of less size.

        Raises:
            ImageError: It has gone, or can be read no more.
        """
        path = self.searcher.path(number)
        return await self._reading(lambda: self._small(path, SMALL) if small else self._copy(path, LARGE))

    def close(self) -> None:
        """Answers what waits, and ends."""
        self._questions.close()
        self._readers.shutdown()

    async def _reading(self, read: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._readers, read)

    def _copy(self, path: Path, longest: int) -> bytes:
        return jpeg(read_thumbnail(path, longest))

    def _answer(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        most = max(one.k for one in asked)
        texts = [one.text for one in asked if one.text is not None]
        images = [one.pixels for one in asked if one.pixels is not None]
        of_texts = iter(self.searcher.by_texts(texts, most) if texts else [])
        of_images = iter(self.searcher.by_pixels(images, most) if images else [])
        return [next(of_images if one.text is None else of_texts)[: one.k] for one in asked]


def jpeg(image: Image.Image) -> bytes:
    """An image as a file."""
    out = BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
