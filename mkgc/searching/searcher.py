"""Finds images of an index by texts and by images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mkgc.errors import ConfigError, DataError
from mkgc.images.decode import Held, ImageError, decode_all
from mkgc.searching.encoder import SearchEncoder, open_encoder
from mkgc.searching.index import ImageIndex
from mkgc.searching.vectors import Rows


class Hit(NamedTuple):
    """A found image: its ``number`` in the index, its name below the folder of images, and its cosine similarity."""

    number: int
    name: str
    score: float


class Searcher:
    """An index in memory, with the encoder that it was made with and the folder of its images."""

    def __init__(self, index: ImageIndex, encoder: SearchEncoder, root: Path) -> None:
        self.encoder, self.root = encoder, root
        self.names = [file.name for file in index.files]
        self._faiss = index.load()

    def path(self, number: int) -> Path:
        """The file of an image."""
        return self.root / self.names[number]

    def by_texts(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        """The ``k`` images nearest to each text, which :func:`mkgc.searching.query.checked_text` has seen."""
        return self._nearest(self.encoder.embed_texts(texts), k)

    def by_pixels(self, pixels: Sequence[np.ndarray], k: int) -> list[list[Hit]]:
        """The same of images that :meth:`decode` has made."""
        return self._nearest(self.encoder.embed_images(np.stack(pixels)), k)

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
    if not root.is_dir():
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
    """Found images as plain values; one that has gone since it was indexed is said to be missing."""
    return [_described(rank, hit, searcher.path(hit.number)) for rank, hit in enumerate(hits, start=1)]


def _described(rank: int, hit: Hit, path: Path) -> dict[str, Any]:
    said = {"rank": rank, "score": round(hit.score, 6), "image": hit.name, "file": str(path)}
    return said if path.is_file() else said | {"missing": True}
