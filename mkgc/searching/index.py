"""An index of images or texts as one sealed file: names, vectors, what they were made with, and FAISS's own part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mkgc.app.sealed import intact, write_sealed
from mkgc.errors import DataError
from mkgc.searching.folder import ImageFile
from mkgc.searching.texts import IndexedText
from mkgc.searching.vectors import Kind, Rows, index_rows, pack, unpack

FORMAT = 1
FILE = "index.npz"
BUILDING = "building"
"""The folder in which an index lies that is not finished."""


@dataclass(frozen=True)
class About:
    """What an index was made of.

    ``checkpoint`` and ``folder`` are where the model and the images lay, or the file of the texts; ``digest`` is the
    model's. ``recall`` is the share of the nearest images that an approximate index finds; None: it compares with all
    of them.
    """

    digest: str
    checkpoint: str
    folder: str
    kind: Kind
    recall: float | None = None
    format: int = FORMAT


class ImageIndex:
    """An index that was written to a folder; what of it is not asked for is not read."""

    def __init__(self, folder: Path) -> None:
        """Opens it.

        Raises:
            DataError: There is none, it is not finished, damaged, cut short, or of another format.
        """
        self.folder = folder
        self._path = _checked(folder)
        said = json.loads(bytes(self._part("about")))
        if said.get("format") != FORMAT:
            raise DataError(f"has format {said.get('format')}, this mkgc reads {FORMAT}: make it anew", folder)
        self.about = About(**said)

    @cached_property
    def files(self) -> list[ImageFile]:
        """The images, in the order of the vectors; none of an index of texts."""
        return [ImageFile(*row) for row in json.loads(bytes(self._part("files")))]

    @cached_property
    def texts(self) -> list[IndexedText]:
        """The texts, likewise; none of an index of images."""
        found = self._part("texts")
        return [] if found is None else [IndexedText(*row) for row in json.loads(bytes(found))]

    def vectors(self) -> Rows:
        """A row for each image; read anew at each call."""
        rows: Rows = self._part("vectors")
        return rows

    def load(self) -> Any:
        """FAISS's index of the vectors.

        Raises:
            ConfigError: FAISS is not installed.
        """
        packed = self._part("faiss")
        return index_rows(self.vectors(), "flat") if packed is None else unpack(packed)

    def _part(self, name: str) -> Any:
        """An array of the file; None, if it has none of that name."""
        with np.load(self._path, allow_pickle=False) as parts:
            return parts.get(name)

    def require_same(self, digest: str, checkpoint: Path | str) -> None:
        """Checks that vectors of a model may be compared with these.

        Raises:
            DataError: The index was made with another model.
        """
        if digest != self.about.digest:
            raise DataError(
                f"was made with the checkpoint '{self.about.checkpoint}' ({self.about.digest}), and '{checkpoint}' "
                f"({digest}) is another: make an index with that, or give the checkpoint that this one was made with",
                self.folder,
            )


def write_index(
    folder: Path,
    about: About,
    files: Sequence[ImageFile],
    vectors: Rows,
    index: Any,
    texts: Sequence[IndexedText] = (),
) -> None:
    """Writes an index whole; FAISS's ``index`` is a part of it unless it is flat, which is its vectors alone."""
    parts: dict[str, Any] = {"about": _bytes(asdict(about)), "files": _bytes(files), "vectors": vectors}
    parts |= {"texts": _bytes(texts)} if texts else {}
    packed = {} if about.kind == "flat" else {"faiss": pack(index)}
    write_sealed(folder / FILE, lambda file: np.savez(file, **parts | packed))


def _checked(folder: Path) -> Path:
    """The file of an index, whose seal is looked at."""
    path = folder / FILE
    if not path.is_file():
        if (folder / BUILDING).is_dir():
            raise DataError(
                "the index is not finished: the mkgc.index that began it goes on with the same keys", folder
            )
        raise DataError("there is no index here: make one by mkgc.index checkpoint=… images=… output=…", folder)
    if not intact(path):
        raise DataError("the index is damaged or cut short: delete it, and make it anew by mkgc.index", path)
    return path


def _bytes(value: Any) -> UInt8[np.ndarray, " n"]:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
