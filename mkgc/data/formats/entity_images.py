"""The images of a graph's entities: files called after one, or all that lie in a folder called after one."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from mkgc.data.examples import ImagePaths
from mkgc.data.formats.filenames import LONGEST, MORE, compose, decode, encode, released, stem
from mkgc.data.formats.text_files import list_folder
from mkgc.data.formats.unmatched import note_empty, note_unmatched, plain_names
from mkgc.errors import DataError
from mkgc.images.decode import is_image, is_readable
from mkgc.inspect.report import Finding

SYNSET = re.compile(r"\d{8}")
"""A noun's offset in WordNet; ImageNet calls it n01945845."""

Rule = Callable[[str], str]


class Form(NamedTuple):
    """One way for a file's name to stand for an entity: both sides, so written, are equal."""

    of_file: Rule
    of_entity: Rule


FORMS = (
    Form(str, encode),  # no other entity's
    Form(str, str),
    Form(compose, compose),
    Form(decode, compose),
    Form(compose, lambda entity: compose(released(entity))),
    Form(str, lambda entity: f"n{entity}" if SYNSET.fullmatch(entity) else ""),
    # As folders copied from Windows are called, which cannot keep a dot at the end.
    Form(compose, lambda entity: compose(released(entity)).strip(".")),
)
"""From the most exact to the least; an entity's images are those of the first form that has any.

Where all of those are broken, the next form that has others counts, too.
"""


@dataclass(frozen=True)
class EntityImages:
    """The files of each entity, sorted.

    ``unmatched`` are the files and folders beside them that are no entity's, ``empty`` the folders without a file.
    """

    images: tuple[ImagePaths, ...]
    unmatched: tuple[Path, ...] = ()
    empty: tuple[Path, ...] = ()

    def notes(self, root: Path, names: Iterable[Sequence[str]]) -> tuple[Finding, ...]:
        """Warnings of both, and of the entities that were probably meant, each of which goes by several ``names``."""
        meant = plain_names(names) if self.unmatched else {}
        return (*note_unmatched(self.unmatched, root, "match no entity", meant), *note_empty(self.empty, root))


class _Entry(NamedTuple):
    name: str
    path: Path
    folder: bool


def find_images(
    root: Path, tops: Iterable[str], names: Sequence[Sequence[str]], groups: Collection[str]
) -> EntityImages:
    """The images of entities that go by these names; none if no group of images is asked for.

    They lie in the ``tops``, folders below the root or beside it, each of which is listed once. A file's suffix does
    not matter; an unusual one is only taken off where the whole name is no entity's.

    Raises:
        DataError: Two entities would take one file or folder.
    """
    if not groups:
        return EntityImages(({},) * len(names))
    entries = [entry for top in tops for entry in _listed(root / top)]
    found = _assign(names, ((key, entry) for entry in entries for key in _usual(entry)), {})
    rest = _untaken(entries, found)
    unusual = (entry for entry in rest if not entry.folder and stem(entry.name) == entry.name and is_image(entry.path))
    found |= _assign(names, ((entry.name.rpartition(".")[0], entry) for entry in unusual), found)
    images = tuple({"image": tuple(_files(found.get(i, ())))} for i in range(len(names)))
    empty = {entry.path for entry in entries if entry.folder and not any(_files([entry]))}
    strange = sorted(entry.path for entry in _untaken(rest, found) if not _passed_over(entry))
    return EntityImages(images, tuple(path for path in strange if path not in empty), tuple(sorted(empty)))


def _untaken(entries: Iterable[_Entry], found: Mapping[int, Sequence[_Entry]]) -> list[_Entry]:
    taken = {entry.path for each in found.values() for entry in each}
    return [entry for entry in entries if entry.path not in taken]


def _listed(top: Path, before: str = "") -> Iterator[_Entry]:
    """The entries of a folder; a long name's beginning is the folder that it lies in."""
    for name, folder in list_folder(top):
        if folder and name.endswith(MORE) and len(os.fsencode(name)) > LONGEST - 10:
            yield from _listed(top / name, f"{before}{name}/")
        else:
            yield _Entry(before + name, top / name, folder)


def _usual(entry: _Entry) -> set[str]:
    """The names that an entry may stand for: its whole name, or that of a file without its suffix."""
    return {entry.name} if entry.folder else {entry.name, stem(entry.name)}


def _assign(
    names: Sequence[Sequence[str]], keyed: Iterable[tuple[str, _Entry]], found: Mapping[int, list[_Entry]]
) -> dict[int, list[_Entry]]:
    """The entries of each entity that has ``found`` none yet, or broken ones only, by position.

    Raises:
        DataError: Two entities would take one entry.
    """
    by_form: list[dict[str, list[_Entry]]] = [defaultdict(list) for _ in FORMS]
    for key, entry in keyed:
        for form, table in zip(FORMS, by_form, strict=True):
            table[form.of_file(key)].append(entry)
    taken: dict[int, list[_Entry]] = {}
    owners: dict[Path, int] = {}
    further: dict[int, list[list[_Entry]]] = {}
    for i, each in enumerate(names):
        ways = ((table, form.of_entity(name)) for name in each for form, table in zip(FORMS, by_form, strict=True))
        options = [table[key] for table, key in ways if key and key in table]
        if not options or (i in found and not _broken(found[i])):
            continue
        taken[i], *further[i] = options
        for entry in taken[i]:
            if owners.setdefault(entry.path, i) != i:
                raise _shared(entry.path, names[owners[entry.path]][0], each[0])
    for i, options in further.items():
        for option in options:
            free = [entry for entry in option if entry.path not in owners]
            if free and _broken(taken[i]):
                taken[i] = [*taken[i], *free]
                owners |= dict.fromkeys((entry.path for entry in free), i)
    return {i: [*found.get(i, ()), *entries] for i, entries in taken.items()}


def _broken(entries: Iterable[_Entry]) -> bool:
    """Whether there are files, and none that is an image."""
    files = [*_files(entries)]
    return bool(files) and not any(map(is_readable, files))


def _shared(path: Path, one: str, other: str) -> DataError:
    said = ascii if normalize("NFC", one) == normalize("NFC", other) else repr  # é and é are not to be told apart
    alone = " and ".join(said(encode(entity)) for entity in (one, other))
    return DataError(
        f"the entities {said(one)} and {said(other)} would both take it: call what is theirs {alone} "
        "(an empty folder where there is no image)",
        path,
    )


def _files(entries: Iterable[_Entry]) -> Iterator[Path]:
    for entry in sorted(entries, key=lambda entry: entry.path):
        inside = list_folder(entry.path) if entry.folder else ()
        yield from (entry.path / name for name, folder in inside if not folder and not name.startswith("."))
        if not entry.folder:
            yield entry.path


def _passed_over(entry: _Entry) -> bool:
    """Whether an operating system left the file: hidden files, and those of Windows and archives."""
    return entry.name.startswith((".", "__MACOSX")) or entry.name.lower() in ("thumbs.db", "desktop.ini")
