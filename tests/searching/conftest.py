"""Coloured squares, and an encoder that knows colours by their names: what it finds can be said without a model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mkgc.searching import encoder as module
from mkgc.searching import searcher
from mkgc.searching.building import build, discard
from mkgc.searching.folder import list_images
from mkgc.searching.index import About, ImageIndex, write_index
from mkgc.searching.searcher import Searcher
from tests.searching.server import Server, serving

NAMES = {"red": "红", "green": "绿", "blue": "蓝"}


class Colours:
    """Vectors of three numbers: how red, green and blue an image is, or its text says that it is."""

    image_size, fit = 4, "stretch"

    def __init__(self, digest: str = "c0105") -> None:
        self.digest = digest
        self.images = 0
        self.batches: list[int] = []

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(len(texts))
        rows = [[1.0 + 9 * (en in text or zh in text) for en, zh in NAMES.items()] for text in texts]
        return _unit(np.array(rows, np.float32))

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        self.images += len(pixels)
        return _unit(pixels.mean((2, 3), dtype=np.float32) + 1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> Colours:
    """The encoder that every checkpoint holds meanwhile."""
    one = Colours()
    fakes: dict[str, Any] = {"other": Colours("07e12")}
    monkeypatch.setattr(module, "open_encoder", lambda path, *_, **__: fakes.get(Path(path).name, one))
    monkeypatch.setattr(searcher, "open_encoder", module.open_encoder)
    return one


def paint(path: Path, colour: Sequence[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), tuple(colour)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images in two folders."""
    return write_images(tmp_path)


@pytest.fixture
def indexed(colours: Colours, folder: Path) -> Path:
    """An index of them, as the command makes it."""
    return write_found(folder, colours)


def write_images(root: Path) -> Path:
    for shade in (200, 250):
        paint(root / "images" / f"red {shade}.png", (shade, 0, 0))
        paint(root / "images" / f"green-{shade}.png", (0, shade, 0))
        paint(root / "images" / "inner" / f"蓝{shade}.png", (0, 0, shade))
    (root / "run").mkdir()
    (root / "run" / "best.ckpt").write_bytes(b"")
    return root / "images"


def write_found(folder: Path, colours: Colours) -> Path:
    target = folder.parent / "found"
    made = build(folder, list_images(folder, target), target, colours, int)
    about = About(colours.digest, str(folder.parent / "run"), str(folder), "flat")
    write_index(target, about, made.files, made.vectors, None)
    discard(target)
    return target


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over them, of which some may have gone."""
    folder, colours = write_images(tmp_path_factory.mktemp("served")), Colours()
    with serving(Searcher(ImageIndex(write_found(folder, colours)), colours, folder)) as server:
        yield server
