"""From paths to pixels: reads the pictures of a data set once, reports them, and applies the user's policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from mkgc.data.examples import Pictures, RelationExample, Sentences, TaggedExample
from mkgc.data.graph import Graph
from mkgc.data.settings import DataSettings
from mkgc.errors import DataError
from mkgc.images.coverage import Coverage, Row, check_minimum, check_none_broken, count
from mkgc.images.loaded import PictureStore

SHARES = {"image": slice(0, 1), "crops": slice(1, 4), "objects": slice(4, 7)}
"""Which of an entity's pictures each group gets where several are read. Source: MKGformer's released code."""

Example = TypeVar("Example", RelationExample, TaggedExample)


def survey(
    read: Mapping[str, Sequence[Example]], settings: DataSettings
) -> tuple[dict[str, list[Example]], PictureStore, Coverage]:
    """The examples that may be used, their pictures, and a report of what was found.

    What cannot be used is masked (the example goes without it), skipped (the example is left out) or fatal, as
    ``settings.bad_images`` says.

    Raises:
        DataError: A picture is broken and the policy is ``fail``, too few are usable, or a split has no example left.
    """
    limited = {s: [replace(e, pictures=_first(e.pictures, settings)) for e in part] for s, part in read.items()}
    store = _read([e.pictures for part in limited.values() for e in part], settings)
    rows = [row for s, part in limited.items() for row in _count(s, [e.pictures for e in part], store, settings)]
    coverage = Coverage(tuple(rows))
    check_minimum(coverage, settings.min_image_coverage)
    if settings.bad_images == "skip":
        limited = {s: [e for e in part if not _broken(e.pictures, store)] for s, part in limited.items()}
    for split, part in limited.items():
        if not part:
            raise DataError(f"no example of {split} is left: all have a broken picture, and data.bad_images=skip")
    return limited, store, coverage


def survey_graph(graph: Graph, settings: DataSettings) -> tuple[Graph, PictureStore, Coverage]:
    """The same for a graph, whose entities have the pictures; an entity is never left out.

    Raises:
        DataError: A picture is broken and the policy is ``fail``, or too few entities have one.
    """
    shown = used(graph, settings)
    store, known = _read(shown, settings), 0
    while known < len(store.problems):  # others take the place of those that prove to be broken
        known = len(store.problems)
        shown = used(graph, settings, store.problems)
        store.read(wanted(shown, settings))
    graph = replace(graph, pictures=tuple(shown))
    coverage = Coverage(tuple(_count("entities", graph.pictures, store, settings)))
    check_minimum(coverage, settings.min_image_coverage)
    return graph, store, coverage


def wanted(pictures: Sequence[Pictures], settings: DataSettings) -> dict[str, list[Path]]:
    """All files of each group that is read."""
    return {group: [path for p in pictures for path in p.get(group, ())] for group in settings.pictures}


def used(source: Sentences | Graph, settings: DataSettings, broken: Collection[Path] = ()) -> list[Pictures]:
    """The pictures that each example or entity may show, as far as it is known which are broken."""
    if isinstance(source, Graph):
        if not settings.pictures:  # one dictionary is enough for all, of whom there may be millions
            return [{}] * len(source.pictures)
        return [dealt(pictures, settings, broken) for pictures in source.pictures]
    return [_first(example.pictures, settings) for part in source.splits.values() for example in part]


def dealt(pictures: Pictures, settings: DataSettings, broken: Collection[Path] = ()) -> Pictures:
    """An entity's pictures: as many as may be used to the only group, or to each group its share.

    Behind them stand those that are broken and would have been among them.
    """
    files = _ordered(pictures.get("image", ()), settings.choose)
    shown = _shares([file for file in files if file not in broken], settings)
    if not broken:
        return shown
    first = _shares(files, settings)
    return {group: (*shown[group], *(file for file in first[group] if file in broken)) for group in shown}


def _shares(files: Sequence[Path], settings: DataSettings) -> Pictures:
    groups = settings.pictures
    return _first({group: tuple(files if len(groups) == 1 else files[SHARES[group]]) for group in groups}, settings)


def _read(pictures: Sequence[Pictures], settings: DataSettings) -> PictureStore:
    root = Path(settings.root)
    store = PictureStore(wanted(pictures, settings), settings.pictures, settings.store_folder, root, settings.fit)
    if settings.bad_images == "fail":
        check_none_broken(store.problems)
    return store


def _first(pictures: Pictures, settings: DataSettings) -> Pictures:
    return {group: tuple(pictures.get(group, ()))[: settings.most] for group in settings.pictures}


def _ordered(files: Sequence[Path], seed: int | None) -> tuple[Path, ...]:
    """By name, or by a draw that depends on the seed and on the file's own name and folder, on nothing else."""
    if seed is None:
        return tuple(sorted(files))

    def drawn(file: Path) -> bytes:
        return blake2b(
            f"{seed} {file.parent.name}/{file.name}".encode(errors="surrogateescape"), digest_size=8
        ).digest()

    return tuple(sorted(files, key=drawn))


def _count(split: str, pictures: Sequence[Pictures], store: PictureStore, settings: DataSettings) -> list[Row]:
    return count(split, pictures, settings.pictures, store.problems)


def _broken(pictures: Pictures, store: PictureStore) -> bool:
    return any(path in store.problems for paths in pictures.values() for path in paths)
