"""FIGER's gold sentences: newspapers' and web pages' mentions of things of 113 types.

Source: Ling and Weld, "Fine-Grained Entity Recognition" (AAAI 2012). What is labelled by hand is published as one file,
of which a tenth each is drawn for dev and test, whole sentences. A word a line, with ``B-/person,/person/artist`` where
a mention begins; sentences end with a blank line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mkgc.data.formats.converted import Placed, drawn
from mkgc.data.formats.text_files import find, read_lines
from mkgc.data.near import suggest
from mkgc.errors import DataError

FILE, MAP = "exp.label", "types.map"

Word = tuple[str, str, int]
"""A word, its tag and its line."""


def records(root: Path, split: str) -> list[Placed]:
    """The mentions of a split.

    Raises:
        DataError: A file is missing or empty, or a line is malformed or has a type that the map does not name.
    """
    path, known = find(root / FILE), set(types(root))
    placed: list[Placed] = []
    keys = []
    for number, sentence in enumerate(_sentences(path)):
        tokens = [word for word, _, _ in sentence]
        for start, end, names in _mentions(sentence, path):
            place = f"{path}:{sentence[start][2]}"
            if strange := next((name for name in names if name not in known), None):
                raise DataError(
                    f"the type '{strange}' is not among the {len(known)} of {MAP}{suggest(strange, known)}", place
                )
            placed.append(({"tokens": tokens, "mention": [start, end], "types": names}, place))
            keys.append(str(number))
    return drawn(placed, split, keys)


def types(root: Path) -> tuple[str, ...]:
    """FIGER's types, in the order in which ``types.map`` first names them: Freebase's type, a tab, FIGER's.

    Raises:
        DataError: The file is missing, or a line has no tab.
    """
    path = find(root / MAP)
    rows = ((number, line.split("\t")) for number, line in read_lines(path) if line.strip())
    out: dict[str, None] = {}
    for number, cells in rows:
        if len(cells) != 2:
            raise DataError("a line must be a type of Freebase, a tab and one of FIGER", path, number)
        out[cells[1].strip()] = None
    return tuple(out)


def _sentences(path: Path) -> Iterator[list[Word]]:
    words: list[Word] = []
    for number, line in read_lines(path):
        if line.strip():
            cells = line.split("\t")
            if len(cells) < 2 or "".join(cells[2:]).strip():  # some rows end with a tab
                raise DataError("a line must be a word, a tab and a tag", path, number)
            words.append((cells[0], cells[1], number))
        elif words:
            yield words
            words = []
    if words:
        yield words


def _mentions(sentence: list[Word], path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """Half-open spans with their types, which the first word says."""
    tags = [tag for _, tag, _ in sentence]
    for start, (_, tag, number) in enumerate(sentence):
        if tag.startswith("B-"):
            behind = range(start + 1, len(tags))
            end = next((i for i in behind if not tags[i].startswith("I-")), len(tags))
            yield start, end, list(dict.fromkeys(tag[2:].split(",")))
        elif tag != "O" and not tag.startswith("I-"):
            raise DataError(f"the tag {tag!r:.40} is none of O, B-/type,/type and I-/type,/type", path, number)
