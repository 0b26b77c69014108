"""Judgements of how well pictures go with poems: people's, or weak ones of keywords that the graph was made without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mkgc.data.formats import fields, jsonl
from mkgc.data.near import suggest
from mkgc.data.script import in_script
from mkgc.errors import ConfigError, DataError
from mkgc.word_graphs.building import ABOUT, read_about
from mkgc.word_graphs.pictures import Picture, read_pictures
from tasks.poetry_pretraining.example import PoemExample

ONE, SEVERAL = 0.75, 1.0
"""What a picture is judged for a poem in which one of its held-out keywords stands, or several."""

KEYS = frozenset({"poem", "image", "judgement"})
"""The keys of a record of a judgement."""


@dataclass(frozen=True)
class Judgements:
    """The pictures that are candidates, and the judgements of each poem, by the poem's id and the picture's row."""

    pictures: tuple[Path, ...]
    of: Mapping[str, Mapping[int, float]]


def read_judgements(path: Path, poems: Sequence[PoemExample]) -> Judgements:
    """The judgements of a JSONL file: the ``poem`` by its id, the ``image``, relative to the file, a ``judgement``.

    Raises:
        DataError: It is missing or empty, a line is malformed, or there is no such poem.
    """
    records, places = jsonl.require_records(jsonl.read_records(path))
    known = dict.fromkeys(poem.id for poem in poems)
    rows: dict[Path, int] = {}
    of: dict[str, dict[int, float]] = {}
    for record, place in zip(records, places, strict=True):
        if strange := record.keys() - KEYS:
            raise DataError(f"no such key: '{min(strange)}'; there are {', '.join(sorted(KEYS))}", place)
        poem, image, value = (fields.need(record, key, place) for key in ("poem", "image", "judgement"))
        if str(poem) not in known:
            raise DataError(f"there is no poem of the id '{poem!s:.40}'{suggest(str(poem), known)}", place)
        if not isinstance(image, str) or not image:
            raise DataError(f"'image' must be the name of a file, not {image!r:.40}", place)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise DataError(f"'judgement' must be a number from 0 to 1, not {value!r:.40}", place)
        of.setdefault(str(poem), {})[rows.setdefault(path.parent / image, len(rows))] = float(value)
    return Judgements(tuple(rows), of)


def weak_judgements(folder: Path, poems: Sequence[PoemExample]) -> Judgements:
    """Judgements of the keywords that a graph of words was made without (``graph.held_out``).

    A picture is relevant to a poem in which such a keyword of it stands, and more so where several do. All pictures
    that the graph was made of are candidates.

    Raises:
        ConfigError: The graph in the folder has held out nothing.
        DataError: Its pictures can no longer be read.
    """
    about = read_about(folder)
    held = frozenset(about.get("held_out", ()))
    settings = about.get("settings", {})
    if not held or settings.get("pictures") is None:
        raise ConfigError(
            f"nothing says which pictures go with which poems: the graph ({folder / ABOUT}) has held out no keyword of "
            "pictures; make it with graph.held_out=0.2, or give task.source.judgements=FILE.jsonl"
        )
    write = partial(in_script, language=about.get("language"))
    pictures = read_pictures(folder / settings["pictures"], settings["keys"], write)
    of = {poem.id: _weak(in_script(poem.text, about.get("language")), pictures, held) for poem in poems}
    return Judgements(tuple(picture.file for picture in pictures), of)


def _weak(text: str, pictures: Sequence[Picture], held: frozenset[str]) -> dict[int, float]:
    standing = {word for word in held if word in text}
    if not standing:
        return {}
    counts = {row: len(standing & picture.keywords.keys()) for row, picture in enumerate(pictures)}
    return {row: ONE if count == 1 else SEVERAL for row, count in counts.items() if count}
