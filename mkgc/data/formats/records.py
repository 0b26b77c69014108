"""The fields that records of all tasks have in common: a sentence, mentions of words in it, images beside the file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.examples import ImagePaths, Span
from mkgc.data.formats import fields
from mkgc.data.formats.locate import locate
from mkgc.errors import DataError

GROUPS = frozenset({"image", "crops", "objects"})
ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How a name begins that is not a file's."""


class SentenceRecord(NamedTuple):
    """A sentence with images; ``fields`` are all keys that have a value."""

    id: str
    tokens: tuple[str, ...]
    images: ImagePaths
    fields: dict[str, Any]


def read_sentence(record: Mapping[str, Any], keys: set[str], folder: Path, place: str) -> SentenceRecord:
    """``text`` or ``tokens``, and images relative to ``folder``; other ``keys`` are the task's own.

    Raises:
        DataError: Something is missing, of another kind, or of no known key.
    """
    given = fields.given(record, place)
    known = keys | GROUPS | {"id", "text", "tokens"}
    if strange := given.keys() - known:
        there = ", ".join(sorted(known))
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {there}", place)
    return SentenceRecord(str(given.get("id", place)), _words(given, place), _images(given, folder, place), given)


def mention(record: SentenceRecord, key: str, place: str) -> Span:
    """A span given by its positions, or by words that stand in the sentence just once.

    Raises:
        DataError: It is missing, or anything else.
    """
    value, words = fields.need(record.fields, key, place), record.tokens
    if not isinstance(value, str):
        return fields.span(value, len(words), key, place)
    wanted = tuple(value.split())
    starts = [i for i in range(len(words)) if wanted and words[i : i + len(wanted)] == wanted]
    if len(starts) != 1:
        times = "does not stand" if not starts else f"stands {len(starts)} times"
        like = "" if starts else _like(wanted, words)
        raise DataError(
            f"'{key}' \"{value:.80}\" {times} in the sentence as whole words{like}: give [start, end)", place
        )
    return Span(starts[0], starts[0] + len(wanted))


def _like(wanted: tuple[str, ...], words: tuple[str, ...]) -> str:
    """Words that differ from those wanted in case, punctuation or invisible characters alone, or hold them."""
    bare = "".join(filter(str.isalnum, " ".join(wanted))).casefold()
    like = next((word for word in words if bare and bare in "".join(filter(str.isalnum, word)).casefold()), None)
    if like is None:
        return ""
    return f" (there is {like:.40})" if like.isprintable() else f" (there is {like!a:.40}, with an invisible character)"


def visible(text: str) -> bool:
    """Whether a text has anything to be seen."""
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def files(value: Any, what: str, place: str) -> list[str]:
    """The name of a file, or a list of such.

    Raises:
        DataError: It is anything else, or the address of a page.
    """
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(file, str) and file for file in names):
        raise DataError(f"{what} must be the name of a file or a list of such, not {value!r:.40}", place)
    for file in names:
        if "\0" in file:
            raise DataError(f"{what} holds a NUL, which no name of a file has: {file!r:.40}", place)
        if scheme := ADDRESS.match(file):
            raise DataError(f"{what} is an address ({scheme[0]}…): images are read from files", place)
    return names


def _words(record: Mapping[str, Any], place: str) -> tuple[str, ...]:
    if ("text" in record) == ("tokens" in record):
        raise DataError("give one of 'text' and 'tokens'", place)
    if "tokens" in record:
        return fields.tokens(record["tokens"], "tokens", place)
    text = record["text"]
    if not isinstance(text, str) or not text.split():
        raise DataError(f"'text' must be a sentence, not {text!r:.40}", place)
    return fields.tokens(text.split(), "text", place)


def _images(record: Mapping[str, Any], folder: Path, place: str) -> ImagePaths:
    groups = sorted(GROUPS & record.keys())
    named = ((group, files(record[group], f"'{group}'", place)) for group in groups)
    return {group: tuple(locate((folder,), file) for file in listed) for group, listed in named}
