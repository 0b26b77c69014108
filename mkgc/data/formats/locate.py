"""Images that a sentence names: where they lie, whatever suffix the file has, and what lies there unnamed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from mkgc.data.formats.filenames import SUFFIXES, compose, stem
from mkgc.data.formats.text_files import list_folder
from mkgc.images.decode import is_readable


def locate(folders: Sequence[Path], name: str) -> Path:
    """The file that :func:`find_image` finds, else where it should have been: in the first folder."""
    return find_image(folders, name) or folders[0] / name


def find_image(folders: Sequence[Path], name: str) -> Path | None:
    """The file in the first folder that has it, exactly or up to its suffix; None where there is none.

    A name without a suffix of an image may have several files: the first of them that is an image.
    """
    places = [folder / name for folder in folders]
    if stem(name) != name and (exact := next(filter(_is_file, places), None)):
        return exact
    found = (_alike(_listed(place.parent), compose(place.name)) for place in places if name)
    return next((path for path in found if path is not None), next(filter(_is_file, places), None))


def _alike(listing: Mapping[str, Sequence[Path]], name: str) -> Path | None:
    """The file of that name, up to its suffix: of several the first that is an image."""
    files = [*dict.fromkeys((*listing.get(name, ()), *listing.get(stem(name), ())))]
    if len(files) == 1 and _is_usual(files[0]):
        return files[0]
    usual = next(filter(_is_usual, files), None)
    return next(filter(is_readable, files), usual)


def _listed(folder: Path) -> Mapping[str, Sequence[Path]]:
    try:
        return _listing(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):  # it is not there, or no folder can be called so
        return {}


@lru_cache(maxsize=16)
def _listing(folder: Path, changed: int) -> Mapping[str, Sequence[Path]]:
    """Composed names, with and without their suffix, to files, the usual suffixes first."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(_files(folder), key=_by_suffix):
        for name in {compose(path.name), compose(stem(path.name)), compose(path.stem)}:
            found[name].append(path)
    return found


def find_unnamed(named: Iterable[Path], beside: Iterable[Path]) -> list[Path]:
    """Files with a usual suffix that nobody names and that lie where the files ``beside`` do, or should."""
    known = set(named)
    found = (path for folder in {path.parent for path in beside} for path in _files(folder))
    return sorted(path for path in found if path not in known and _is_usual(path))


def _files(folder: Path) -> list[Path]:
    names = (name for name, inner in list_folder(folder) if not inner)
    return [folder / name for name in names if not name.startswith(".")]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # its name is too long, for one
        return False


def _is_usual(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _by_suffix(path: Path) -> tuple[int, str]:
    return SUFFIXES.index(path.suffix.lower()) if _is_usual(path) else len(SUFFIXES), path.name
