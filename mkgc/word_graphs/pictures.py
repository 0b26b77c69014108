"""Pictures with keywords, and tables of sememes: what a graph of words is made of beside texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.formats import fields, jsonl
from mkgc.data.formats.records import files
from mkgc.data.formats.tables import table
from mkgc.data.formats.word_graphs import read_weight
from mkgc.errors import DataError

Write = Callable[[str], str]
"""Writes a word in the script of the texts."""


class Picture(NamedTuple):
    """A picture's file, and its keywords with weights: 1 of a name, of several keywords each its share."""

    file: Path
    keywords: Mapping[str, float]


class Sememe(NamedTuple):
    """What a word means, in another word, by some weight."""

    word: str
    sememe: str
    weight: float


def read_pictures(path: Path, keys: Sequence[str], write: Write) -> list[Picture]:
    """The pictures of a JSONL file, a record each: ``image``, and keywords under ``keys``, a text or a list of such.

    Files are relative to that of the records; whether they are there is not asked.

    Raises:
        DataError: The file is missing or empty, a record malformed, or none has a keyword.
    """
    records, places = jsonl.require_records(jsonl.read_records(path))
    pictures = []
    for record, place in zip(records, places, strict=True):
        names = files(fields.need(record, "image", place), "'image'", place)
        if len(names) != 1:
            raise DataError(f"'image' must be one file, not {len(names)}", place)
        pictures.append(Picture(path.parent / names[0], _keywords(record, keys, place, write)))
    if not any(picture.keywords for picture in pictures):
        raise DataError(f"no picture has a keyword under {' or '.join(map(repr, keys))}: graph.keys says where", path)
    return pictures


def _keywords(record: Mapping[str, Any], keys: Sequence[str], place: str, write: Write) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in keys:
        given = record.get(key)
        if given is None or given == []:
            continue
        words = [given] if isinstance(given, str) else fields.tokens(given, key, place)
        for word in words:
            name = write(word.strip())
            if any(map(str.isalnum, name)):
                found[name] = max(found.get(name, 0.0), 1 / len(words))
    return found


def hold_out(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[str]]:
    """The pictures without a share of all keywords, and these; which they are depends on them and the seed alone."""
    keywords = {word for picture in pictures for word in picture.keywords}

    def drawn(word: str) -> bytes:
        return blake2b(f"{seed} {word}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    held = sorted(keywords, key=drawn)[: round(share * len(keywords))]
    return [_without(picture, {*held}) for picture in pictures], sorted(held)


def _without(picture: Picture, held: Collection[str]) -> Picture:
    return Picture(picture.file, {word: weight for word, weight in picture.keywords.items() if word not in held})


def by_keyword(pictures: Sequence[Picture]) -> dict[str, dict[int, float]]:
    """The numbers of the pictures of each keyword, with the weights that it has for them."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for number, picture in enumerate(pictures):
        for word, weight in picture.keywords.items():
            found[word][number] = weight
    return dict(found)


def read_sememes(path: Path, write: Write) -> Iterator[Sememe]:
    """A table of words, their sememes, and weights where they have some (else 1).

    Raises (on reading):
        DataError: It is missing, or a line malformed.
    """
    for number, cells in table(path):
        if not any(cells):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise DataError("a line is a word, its sememe and, if any, a weight, between tabs", path, number)
        weight = read_weight(cells[2], f"{path}:{number}") if len(cells) == 3 else 1.0
        yield Sememe(write(cells[0]), write(cells[1]), weight)
