"""Makes an index of a folder: what is done is kept as it is made, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mkgc.errors import DataError
from mkgc.images.appending import Appended, Words, appending
from mkgc.images.decode import ImageError
from mkgc.searching.encoder import SearchEncoder
from mkgc.searching.folder import Decoded, ImageFile, decoded_ahead
from mkgc.searching.index import BUILDING, FILE, ImageIndex
from mkgc.searching.vectors import Rows

CHUNK = 64
"""Images that are kept, and flushed to disk, together."""

WORDS = Words(
    "another mkgc.index is writing this index: wait for it",
    "vectors cannot be kept there",
    "what was made before stays, and the same command goes on once there is room",
)


class Made(NamedTuple):
    """Vectors of files, and what is wrong with the others; ``new`` is how many of both were not known before."""

    files: list[ImageFile]
    vectors: Rows
    broken: dict[str, str]
    new: int


def build(
    root: Path, files: Sequence[ImageFile], target: Path, encoder: SearchEncoder, done: Callable[[int], object]
) -> Made:
    """The vectors of files below ``root``: as an index in the ``target`` has them, or an unfinished one, or made.

    ``done`` is told how many more are known.

    Raises:
        DataError: The unfinished index is of another model, or cannot be written.
    """
    width = encoder.embed_texts(["a"]).shape[1]
    with _kept(target / BUILDING, encoder.digest, width) as kept:
        known = _indexed(target)
        missing = [file for file in files if file not in known and file not in kept.rows and file not in kept.problems]
        done(len(files) - len(missing))
        for part, images in decoded_ahead(root, missing, encoder.image_size, encoder.fit, CHUNK):
            kept.add(part, images, encoder)
            done(len(part))
        return _gathered(files, known, kept, len(missing))


def discard(target: Path) -> None:
    """Removes what a finished index needs no more."""
    shutil.rmtree(target / BUILDING)


def _indexed(target: Path) -> dict[ImageFile, np.ndarray]:
    """The vectors of an index that is there already, by file."""
    if not (target / FILE).is_file():
        return {}
    index = ImageIndex(target)
    return dict(zip(index.files, index.vectors(), strict=True))


def _gathered(files: Sequence[ImageFile], known: Mapping[ImageFile, np.ndarray], kept: _Kept, new: int) -> Made:
    made = np.fromfile(kept.path, np.float32).reshape(-1, kept.width)
    usable = [file for file in files if file in known or file in kept.rows]
    vectors = np.empty((len(usable), kept.width), np.float32)
    for row, file in enumerate(usable):
        vectors[row] = known[file] if file in known else made[kept.rows[file]]
    broken = {file.name: kept.problems[file] for file in files if file in kept.problems}
    return Made(usable, vectors, broken, new)


class _Kept:
    """The vectors of an unfinished index, each a row of a file, and what is wrong with images that have none."""

    def __init__(self, path: Path, files: Appended, width: int) -> None:
        self.path, self._files, self.width = path, files, width
        self.rows: dict[ImageFile, int] = {}
        self.problems: dict[ImageFile, str] = {}
        files.index_file.seek(0)
        for line in files.index_file.readall().decode().split("\n")[1:-1]:
            self._know(ImageFile(*(found := json.loads(line))[:3]), found[3])
        files.cut(len(self.rows) * width * 4)

    def add(self, files: Sequence[ImageFile], images: Sequence[Decoded], encoder: SearchEncoder) -> None:
        """Keeps the vectors of some files, then the lines that speak of them."""
        usable = [image for image in images if not isinstance(image, ImageError)]
        if usable:
            self._files.write_pixels(encoder.embed_images(np.stack(usable)).tobytes())
        problems = [_problem(image) if isinstance(image, ImageError) else None for image in images]
        rows = ([*file, problem] for file, problem in zip(files, problems, strict=True))
        self._files.commit("".join(f"{json.dumps(row)}\n" for row in rows).encode())
        for file, problem in zip(files, problems, strict=True):
            self._know(file, problem)

    def _know(self, file: ImageFile, problem: str | None) -> None:
        if problem is None:
            self.rows[file] = len(self.rows)
        else:
            self.problems[file] = problem


def _problem(error: ImageError) -> str:
    return f"{error.kind} ({error.detail})" if error.detail else error.kind


@contextmanager
def _kept(folder: Path, digest: str, width: int) -> Iterator[_Kept]:
    """What is kept in a folder, for one process to add to.

    Raises:
        DataError: It is of another model, or cannot be written.
    """
    header = json.dumps({"digest": digest, "width": width}).encode() + b"\n"
    lines, vectors = folder / "images.jsonl", folder / "vectors.f32"
    if _begun_otherwise(lines, header):
        raise DataError(
            "an index of another checkpoint is begun there: finish it with that one, delete it, or give another output",
            folder,
        )
    with appending(lines, vectors, header, WORDS) as files:
        yield _Kept(vectors, files, width)


def _begun_otherwise(lines: Path, header: bytes) -> bool:
    """Whether a file begins with a whole header that is another."""
    if not lines.is_file():
        return False
    with lines.open("rb") as file:
        first = file.readline()
    return first.endswith(b"\n") and first != header
