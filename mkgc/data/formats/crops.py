"""The benchmarks' `.pth` dictionaries, which say what crops were cut from which image."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mkgc.data.formats.locate import locate
from mkgc.errors import DataError


@dataclass(frozen=True)
class Crops:
    """Names of crops by row number or by image, and the folders where the crops may lie."""

    names: Mapping[int | str, tuple[str, ...]]
    folders: tuple[Path, ...]

    def of(self, image: str, row: int | None = None) -> tuple[Path, ...]:
        """The crops of an image, listed under its row, its name or its name without the suffix; none if under none."""
        keys = (row, image, Path(image).stem, image.split(".")[0])
        names = next((self.names[key] for key in keys if key is not None and key in self.names), ())
        return tuple(locate(self.folders, name) for name in names)


def needed_by(group: str) -> str:
    """The message about a dictionary that is not there."""
    return f"which data.images.{group} needs; data.images.{group}=null trains without"


def read(path: Path, *folders: Path) -> Crops:
    """Reads a dictionary {row or image: [crop, …]}, where a crop is a name or a pair (score, name).

    Nothing in the file is executed: the pickle inside may hold plain values only.

    Raises:
        DataError: The file is damaged, or holds anything else.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise DataError(f"holds a {type(content).__name__}, not a dictionary of lists of file names", path)
    names = {key: _names(key, value, path) for key, value in content.items()}
    present = tuple(folder for folder in folders if folder.is_dir())
    return Crops(names, present or folders[:1])


def _load(path: Path) -> Any:
    if not _intact(path):
        raise DataError("is damaged, or was not written by torch.save: fetch it again", path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise DataError("was not loaded: it holds more than plain lists of file names", path) from error


def _intact(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # damaged archives make zipfile raise nearly anything
        return False


def _names(key: Any, value: Any, path: Path) -> tuple[str, ...]:
    crops = value if isinstance(value, list | tuple) else (None,)
    names = tuple(crop[1] if isinstance(crop, list | tuple) and len(crop) == 2 else crop for crop in crops)
    if not isinstance(key, int | str) or not all(isinstance(name, str) for name in names):
        raise DataError(f"the entry {key!r:.40} is not a list of file names but {value!r:.40}", path)
    return names
