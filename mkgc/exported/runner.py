"""Runs exported towers with onnxruntime, without torch: vectors of texts and of images, as an index asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from mkgc.data.tokens import Tokenizer
from mkgc.errors import CheckpointError, ConfigError
from mkgc.exported.manifest import TEXT, VISION, Manifest
from mkgc.images.decode import Fit

Rows = Float32[np.ndarray, "n D"]


class ExportedTowers:
    """The towers of a folder that `mkgc.export` wrote, ``batch_size`` of whose inputs are computed at once.

    A tower is read when it is first asked for: a search by text needs no vision encoder.

    Raises:
        CheckpointError: There is no manifest, or it is damaged.
    """

    def __init__(self, folder: Path | str, batch_size: int = 32) -> None:
        self._folder, self._size = Path(folder), batch_size
        self._manifest = said = Manifest.read(self._folder)
        self.digest: str = said.digest
        self.image_size: int = said.image_size
        self.fit: Fit = said.fit

    def embed_texts(self, texts: Sequence[str]) -> Rows:
        """The unit vector of each text; one that is too long is cut."""
        rows = [self._ids(text) for text in texts]
        parts = (_padded(part, self._tokenizer.pad) for part in _parts(rows, self._size))
        return self._joined(self._text.run(None, {"ids": ids, "mask": mask})[0] for ids, mask in parts)

    def embed_images(self, pixels: UInt8[np.ndarray, "n 3 S S"]) -> Rows:
        """The unit vector of each image, which is as :func:`mkgc.images.decode.read_image` makes it."""
        return self._joined(self._vision.run(None, {"pixels": part})[0] for part in _parts(pixels, self._size))

    def _ids(self, text: str) -> list[int]:
        """As in training: its first pieces, between the marks of a text."""
        tokens = self._tokenizer
        return [tokens.start, *tokens.ids(text)[: self._manifest.max_length - 2], tokens.stop]

    def _joined(self, parts: Any) -> Rows:
        return np.concatenate([np.empty((0, self._manifest.dim), np.float32), *parts])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        try:
            return Tokenizer.from_state(self._manifest.tokenizer)
        except Exception as error:  # damaged contents raise nearly anything
            raise CheckpointError(
                f"the tokeniser in '{self._folder}' is damaged: export the checkpoint again"
            ) from error

    @cached_property
    def _text(self) -> Any:
        return self._session(TEXT)

    @cached_property
    def _vision(self) -> Any:
        return self._session(VISION)

    def _session(self, name: str) -> Any:
        """A tower, read into memory.

        Raises:
            CheckpointError: Its files are missing or damaged.
            ConfigError: onnxruntime is not installed.
        """
        self._manifest.check_files(self._folder, name)
        try:
            runtime = import_module("onnxruntime")
        except ImportError as error:
            raise ConfigError(
                "exported towers need onnxruntime, which is not installed: pip install mkgc[onnx]"
            ) from error
        return runtime.InferenceSession(str(self._folder / name), providers=["CPUExecutionProvider"])


def _parts(rows: Any, size: int) -> Any:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Int64[np.ndarray, "b T"], Bool[np.ndarray, "b T"]]:
    """Texts filled up to the longest, and where there is a piece."""
    width = max(map(len, rows))
    ids = np.array([[*row, *[pad] * (width - len(row))] for row in rows], np.int64)
    return ids, np.arange(width) < np.array([len(row) for row in rows])[:, None]
