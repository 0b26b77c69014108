"""A caption of an image, and the record in which people write some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkgc.data.examples import ImagePaths
from mkgc.data.formats import fields
from mkgc.data.formats.locate import locate
from mkgc.data.formats.records import files, visible
from mkgc.errors import DataError

GROUP = "image"
"""The group of images that pairs have."""

KEYS = frozenset({"id", "text", "texts", "image"})
"""The keys of a record."""


@dataclass(frozen=True)
class CaptionExample:
    """A pair of a caption and an image; ``image`` says which picture it is.

    Pairs with one ``image`` are captions of the same picture, pairs with one ``text`` pictures of the same caption.
    """

    text: str
    images: ImagePaths
    image: str
    id: str | None = field(default=None, compare=False)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The parts of the text between white space, which a tokeniser reads one by one."""
        return tuple(self.text.split())


def parse_pairs(record: Mapping[str, Any], folder: Path, place: str) -> list[CaptionExample]:
    """The pairs of a record: each of its captions (``text``, or a list ``texts``) with each of its images.

    ``image`` is the name of a file, relative to ``folder``, or a list of such, all of which the captions describe.

    Raises:
        DataError: A caption or an image is missing or of another kind, or there is no such key.
    """
    given = fields.given(record, place)
    if strange := given.keys() - KEYS:
        there = ", ".join(sorted(KEYS))
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {there}", place)
    texts, names = captions(given, place), files(fields.need(given, GROUP, place), f"'{GROUP}'", place)
    if not names:
        raise DataError(f"'{GROUP}' is empty: a caption without an image is no pair", place)
    pairs = [(text, name, locate((folder,), name)) for text in dict.fromkeys(texts) for name in dict.fromkeys(names)]
    ids = _ids(given.get("id"), len(pairs), place)
    return [
        CaptionExample(text, {GROUP: (path,)}, name, one) for one, (text, name, path) in zip(ids, pairs, strict=True)
    ]


def captions(given: Mapping[str, Any], place: str) -> list[str]:
    """The captions of a record: its ``text``, or its ``texts``.

    Raises:
        DataError: It has none or both, or one that has nothing to be seen.
    """
    if ("text" in given) == ("texts" in given):
        raise DataError("give one of 'text' and 'texts'", place)
    texts = [given["text"]] if "text" in given else given["texts"]
    if not isinstance(texts, list | tuple) or not texts:
        raise DataError(f"'texts' must be a list of captions, one at least, not {texts!r:.40}", place)
    for text in texts:
        if not isinstance(text, str) or not visible(text):
            raise DataError(f"a caption must be text, not {text!r:.40}", place)
    return [*texts]


def _ids(name: Any, count: int, place: str) -> Iterator[str | None]:
    """The ids of a record's pairs: its own, numbered where it has several; a record without one gives none."""
    if name is None:
        return iter([None] * count)
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise DataError(f"'id' must be text or a whole number, not {name!r:.40}", place)
    return iter([str(name)] if count == 1 else [f"{name}/{number}" for number in range(1, count + 1)])
