"""From paths to pixels: reads the images of a data set once, reports them, and applies the user's policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from mkgc.data.examples import Illustrated, ImagePaths
from mkgc.data.graph import Graph
from mkgc.data.settings import DataSettings
from mkgc.errors import DataError
from mkgc.images.coverage import Coverage, Row, check_minimum, check_none_broken, count
from mkgc.images.loaded import LoadedImages

SHARES = {"image": slice(0, 1), "crops": slice(1, 4), "objects": slice(4, 7)}
"""Which of an entity's images each group gets where several are read. Source: MKGformer's released code."""

Example = TypeVar("Example", bound=Illustrated)


def load_images(
    read: Mapping[str, Sequence[Example]], settings: DataSettings
) -> tuple[dict[str, list[Example]], LoadedImages, Coverage]:
    """The examples that may be used, their images, and a report of what was found.

    What cannot be used is masked (the example goes without it), skipped (the example is left out) or fatal, as
    ``settings.bad_images`` says.

    Raises:
        DataError: An image is broken and the policy is ``fail``, too few are usable, or a split has no example left.
    """
    limited = {s: [_limited(e, settings) for e in part] for s, part in read.items()}
    store = _read([e.images for part in limited.values() for e in part], settings)
    rows = [row for s, part in limited.items() for row in _count(s, [e.images for e in part], store, settings)]
    coverage = Coverage(tuple(rows))
    check_minimum(coverage, settings.min_image_coverage)
    if settings.bad_images == "skip":
        limited = {s: _skipped(s, part, store) for s, part in limited.items()}
    if empty := next((split for split, part in limited.items() if not part), None):
        raise DataError(f"there is no example of {empty}")
    return limited, store, coverage


def load_graph_images(graph: Graph, settings: DataSettings) -> tuple[Graph, LoadedImages, Coverage]:
    """The same for a graph, whose entities have the images; an entity is never left out.

    Raises:
        DataError: An image is broken and the policy is ``fail``, or too few entities have one.
    """
    images = entity_images(graph, settings)
    store, known = _read(images, settings), 0
    while known < len(store.problems):  # others take the place of those that prove to be broken
        known = len(store.problems)
        images = entity_images(graph, settings, store.problems)
        store.read(wanted(images, settings))
    graph = replace(graph, images=tuple(images))
    coverage = Coverage(tuple(_count("entities", graph.images, store, settings)))
    check_minimum(coverage, settings.min_image_coverage)
    return graph, store, coverage


def wanted(images: Sequence[ImagePaths], settings: DataSettings) -> dict[str, list[Path]]:
    """All files of each group that is read."""
    return {group: [path for p in images for path in p.get(group, ())] for group in settings.images}


def shown(images: ImagePaths, settings: DataSettings) -> ImagePaths:
    """The first images of each group that is read."""
    return {group: tuple(images.get(group, ()))[: settings.max_images] for group in settings.images}


def entity_images(graph: Graph, settings: DataSettings, broken: Collection[Path] = ()) -> list[ImagePaths]:
    """The images that each entity may show, as far as it is known which are broken."""
    if not settings.images:  # one dictionary is enough for all, of whom there may be millions
        return [{}] * len(graph.images)
    return [assign_groups(images, settings, broken) for images in graph.images]


def assign_groups(images: ImagePaths, settings: DataSettings, broken: Collection[Path] = ()) -> ImagePaths:
    """An entity's images: as many as may be used to the only group, or to each group its share.

    Behind them stand those that are broken and would have been among them.
    """
    files = _ordered(images.get("image", ()), settings.image_seed)
    usable = _shares([file for file in files if file not in broken], settings)
    if not broken:
        return usable
    first = _shares(files, settings)
    return {group: (*usable[group], *(file for file in first[group] if file in broken)) for group in usable}


def _shares(files: Sequence[Path], settings: DataSettings) -> ImagePaths:
    groups = settings.images
    return shown({group: tuple(files if len(groups) == 1 else files[SHARES[group]]) for group in groups}, settings)


def _read(images: Sequence[ImagePaths], settings: DataSettings) -> LoadedImages:
    root = Path(settings.root)
    store = LoadedImages(wanted(images, settings), settings.images, settings.store_folder, root, settings.fit)
    if settings.bad_images == "fail":
        check_none_broken(store.problems)
    return store


def _limited(example: Any, settings: DataSettings) -> Any:
    return replace(example, images=shown(example.images, settings))


def _ordered(files: Sequence[Path], seed: int | None) -> tuple[Path, ...]:
    """By name, or by a draw that depends on the seed and on the file's own name and folder, on nothing else."""
    if seed is None:
        return tuple(sorted(files))

    def drawn(file: Path) -> bytes:
        return blake2b(
            f"{seed} {file.parent.name}/{file.name}".encode(errors="surrogateescape"), digest_size=8
        ).digest()

    return tuple(sorted(files, key=drawn))


def _skipped(split: str, examples: Sequence[Example], store: LoadedImages) -> list[Example]:
    """The examples whose images can all be used."""
    left = [example for example in examples if not _broken(example.images, store)]
    if not left:
        used = (path for example in examples for paths in example.images.values() for path in paths)
        first = next((f", as {store.problems[path]}" for path in used if path in store.problems), "")
        raise DataError(f"no example of {split} is left: each has an image that cannot be used{first}")
    return left


def _count(split: str, images: Sequence[ImagePaths], store: LoadedImages, settings: DataSettings) -> list[Row]:
    return count(split, images, settings.images, store.problems)


def _broken(images: ImagePaths, store: LoadedImages) -> bool:
    return any(path in store.problems for paths in images.values() for path in paths)
