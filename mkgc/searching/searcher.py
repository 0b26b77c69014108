"""Finds images or texts of an index by texts and by images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mkgc.errors import ConfigError, DataError
from mkgc.images.decode import Held, ImageError, decode_all
from mkgc.searching.encoder import Match, SearchEncoder, WordMatcher, open_encoder
from mkgc.searching.index import ImageIndex
from mkgc.searching.vectors import Rows


class Hit(NamedTuple):
    """What was found: its ``number`` in the index, its name, and its cosine similarity.

    An image is named as below the folder of images. ``words`` are those that a text and an image have matched by.
    """

    number: int
    name: str
    score: float
    words: tuple[Match, ...] = ()


class Searcher:
    """An index in memory, with the encoder that it was made with and the folder of its images.

    ``texts`` are those of an index of texts; None: it is of images.
    """

    def __init__(self, index: ImageIndex, encoder: SearchEncoder, root: Path) -> None:
        self.encoder, self.root = encoder, root
        self.texts = [one.text for one in index.texts] or None
        self.names = [one.name for one in index.texts] or [file.name for file in index.files]
        self._faiss, self._index = index.load(), index

    def path(self, number: int) -> Path:
        """The file of an image."""
        return self.root / self.names[number]

    def by_texts(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        """The ``k`` nearest to each text, which :func:`mkgc.searching.query.checked_text` has seen."""
        found = self._nearest(self.encoder.embed_texts(texts), k)
        if self.texts is not None or not isinstance(self.encoder, WordMatcher):
            return found
        return [self._with_words(text, hits) for text, hits in zip(texts, found, strict=True)]

    def _with_words(self, text: str, hits: Sequence[Hit]) -> list[Hit]:
        """Found images with the words of the text that each is like."""
        assert isinstance(self.encoder, WordMatcher)
        words = self.encoder.matched_words(text, self._vectors[[hit.number for hit in hits]])
        return [hit._replace(words=tuple(each)) for hit, each in zip(hits, words, strict=True)]

    @cached_property
    def _vectors(self) -> Rows:
        return self._index.vectors()

    def by_pixels(self, pixels: Sequence[np.ndarray], k: int) -> list[list[Hit]]:
        """The same of images that :meth:`decode` has made."""
        queries = self.encoder.embed_images(np.stack(pixels))
        found = self._nearest(queries, k)
        if (texts := self.texts) is None or not isinstance(encoder := self.encoder, WordMatcher):
            return found
        return [
            [hit._replace(words=tuple(encoder.matched_words(texts[hit.number], query[None])[0])) for hit in hits]
            for query, hits in zip(queries, found, strict=True)
        ]

    def decode(self, image: Held | Path) -> np.ndarray:
        """An image in the encoder's size.

        Raises:
            ImageError: It cannot be used.
        """
        path = image if isinstance(image, Path) else Path("image")
        held = {} if isinstance(image, Path) else {path: image}
        [made] = decode_all([path], self.encoder.image_size, self.encoder.fit, held)
        if isinstance(made, ImageError):
            raise made
        return made

    def _nearest(self, queries: Rows, k: int) -> list[list[Hit]]:
        scores, numbers = self._faiss.search(queries, min(k, len(self.names)))
        return [
            [Hit(i, self.names[i], s) for s, i in zip(*row, strict=True) if i >= 0]
            for row in zip(scores.tolist(), numbers.tolist(), strict=True)
        ]


def open_searcher(
    folder: Path | str,
    checkpoint: Path | str | None = None,
    images: Path | str | None = None,
    device: str = "cpu",
    trusted: Iterable[str] = (),
) -> Searcher:
    """A searcher over an index; where the model or the images have moved, ``checkpoint`` and ``images`` say whereto.

    Raises:
        MkgcError: There is no such index, it is damaged or of another checkpoint, or that cannot be loaded.
    """
    index = ImageIndex(Path(folder))
    root = Path(images or index.about.folder)
    if index.texts and images is not None:
        raise ConfigError(f"images={images}: this is an index of texts, which it holds itself: leave it out")
    if not index.texts and not root.is_dir():
        raise DataError("the images are no longer in this folder: give images=DIR, where they are now", root)
    model = checkpoint or index.about.checkpoint
    if checkpoint is None and not Path(model).exists():
        raise ConfigError(
            f"the checkpoint of the index, '{model}', is not there: give checkpoint=PATH, where it is now"
        )
    encoder = open_encoder(model, device, trusted)
    index.require_same(encoder.digest, model)
    return Searcher(index, encoder, root)


def described(searcher: Searcher, hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """What was found as plain values; an image that has gone since it was indexed is said to be missing."""
    return [_described(searcher, rank, hit) for rank, hit in enumerate(hits, start=1)]


def _described(searcher: Searcher, rank: int, hit: Hit) -> dict[str, Any]:
    said: dict[str, Any] = {"rank": rank, "score": round(hit.score, 6)}
    if searcher.texts is not None:
        said |= {"name": hit.name, "text": searcher.texts[hit.number]}
    else:
        path = searcher.path(hit.number)
        said |= {"image": hit.name, "file": str(path)} | ({} if path.is_file() else {"missing": True})
    words = [{"word": one.word, "score": round(one.score, 6)} for one in hit.words]
    return said | ({"words": words} if words else {})
