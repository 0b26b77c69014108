"""Images that are nobody's: how many there are, the first by name, and whose they were probably meant to be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from mkgc.data.formats.filenames import decode, stem
from mkgc.data.near import NearTexts
from mkgc.errors import one_line
from mkgc.inspect.report import Finding

NAMED = 5
"""Files that are named."""

ALIKE = 0.8
"""The least likeness of a misspelt name: one letter of five may be another, missing or too many."""


def note_unmatched(
    paths: Sequence[Path], root: Path, whose: str, meant: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """A warning of images that lie there and are nobody's; nothing where there are none.

    ``meant`` are those that could have been meant, by their plain names (:func:`plain_names`).
    """
    if not paths:
        return ()
    owners = {path: owner for path in paths if (owner := (meant or {}).get(plain(stem(path.name))))}
    first = sorted(paths, key=lambda path: path not in owners)[:NAMED]
    owners |= _misspelt([path for path in first if path not in owners], meant or {})
    said = [_shown(path, root) + (f" for '{owners[path]:.40}'?" if path in owners else "") for path in first]
    return (Finding("warning", f"images that {whose}: {_counted(paths, said)}"),)


def note_empty(folders: Sequence[Path], root: Path) -> tuple[Finding, ...]:
    """A warning of folders of images that hold no file; nothing where there are none."""
    if not folders:
        return ()
    said = [_shown(folder, root) for folder in folders[:NAMED]]
    return (Finding("warning", f"folders of images that hold no file: {_counted(folders, said)}"),)


def plain_names(names: Iterable[Sequence[str]]) -> dict[str, str]:
    """The first of each one's names by the plain form of each, as far as that form is one's alone."""
    owners: dict[str, str] = {}
    shared: set[str] = set()
    for first, *others in names:
        for key in {plain(name) for name in (first, *others)}:
            if owners.setdefault(key, first) != first:
                shared.add(key)
    return {key: owner for key, owner in owners.items() if key and key not in shared}


def plain(name: str) -> str:
    """Letters and digits alone, case and Unicode's forms undone.

    >>> plain("New%20York ")
    'newyork'
    """
    return "".join(c for c in normalize("NFKC", decode(name)).casefold() if c.isalnum())


def _misspelt(paths: Iterable[Path], meant: Mapping[str, str]) -> dict[Path, str]:
    """Who has a name much like a file's. Words only: numbers that are much alike mean other things."""
    keys = {path: key for path in paths if (key := plain(stem(path.name))).isalpha()}
    names = NearTexts(filter(str.isalpha, meant)) if keys else NearTexts(())
    near = ((path, names.find(key, ALIKE)) for path, key in keys.items())
    return {path: meant[found[0]] for path, found in near if found}


def _shown(path: Path, root: Path) -> str:
    return one_line(os.path.relpath(path, root), 80)


def _counted(paths: Sequence[Path], said: Sequence[str]) -> str:
    rest = f" and {len(paths) - len(said):,} more" if len(paths) > len(said) else ""
    return f"{len(paths):,} ({', '.join(said)}{rest})"
