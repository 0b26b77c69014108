"""How a layout of captions is read: as records of each split, or of one set that is then split by pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.examples import SPLITS
from mkgc.data.formats import jsonl
from mkgc.data.formats.converted import Placed
from mkgc.data.formats.labelled import NAMES
from mkgc.data.formats.text_files import find
from mkgc.data.settings import DataSettings
from mkgc.data.split import WHOLE, split_rows
from mkgc.errors import ConfigError, DataError
from mkgc.images.equal import first_equal
from mkgc.inspect.report import Finding
from mkgc.terminal import plural
from tasks.retrieval.example import GROUP, CaptionExample, parse_pairs

Splits = Mapping[str, Sequence[CaptionExample]]

Records = Callable[[Path, str, list[Finding]], Iterable[Placed]]
"""From a data set's folder and a split, or :data:`WHOLE`, to its records; notes are added to the list."""


class CaptionFormat(NamedTuple):
    """The ``records`` of a layout; it is ``drawn`` where they are one set, of which dev and test are drawn."""

    records: Records
    drawn: bool = False
    multilingual: bool = False


def read_splits(form: CaptionFormat, settings: DataSettings) -> tuple[Splits, tuple[Finding, ...]]:
    """The pairs of each split, and notes.

    Raises:
        ConfigError: No caption is in the language that is asked for.
        DataError: A file is missing or empty, a record cannot be used, or two have the same id.
    """
    notes: list[Finding] = []
    if form.drawn:
        return _draw(_pairs(form, settings, WHOLE, notes), settings, notes), tuple(notes)
    return {split: _pairs(form, settings, split, notes) for split in SPLITS}, tuple(notes)


def records_of_splits(root: Path, split: str, notes: list[Finding]) -> Iterable[Placed]:
    """People's own records, a file a split: ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``."""
    return _records(find(*(root / name for name in NAMES[split])))


def records_of_one_file(root: Path, split: str, notes: list[Finding]) -> Iterable[Placed]:
    """People's own records in one file, ``captions.jsonl``."""
    return _records(find(root / "captions.jsonl"))


def _records(path: Path) -> Iterable[Placed]:
    return zip(*jsonl.require_records(jsonl.read_records(path)), strict=True)


def _pairs(form: CaptionFormat, settings: DataSettings, split: str, notes: list[Finding]) -> list[CaptionExample]:
    root = Path(settings.root)
    placed = _told_apart(form.records(root, split, notes))
    if form.multilingual:
        placed = _in_language(placed, settings.language, split, notes)
    pairs = [pair for record, place in placed for pair in parse_pairs(record, root, place)]
    if not pairs:
        raise DataError(f"no caption of {split}", root)
    return pairs


def _told_apart(placed: Iterable[Placed]) -> Iterator[Placed]:
    """The records, if no two have the same id."""
    places: dict[str, str] = {}
    for record, place in placed:
        name = record.get("id")
        if name is not None and (first := places.setdefault(str(name), place)) != place:
            raise DataError(f"the id '{name!s:.40}' is that of {first}, too", place)
        yield record, place


def _in_language(placed: Iterable[Placed], language: str | None, split: str, notes: list[Finding]) -> Iterator[Placed]:
    """The records with the captions of one language, or of all; those that have none of that are counted."""
    languages: set[str] = set()
    spoken = silent = 0
    for record, place in placed:
        texts = _texts(record, place)
        languages.update(texts)
        found = [text for key, listed in texts.items() if language in (None, key) for text in listed]
        if language is not None and not found:
            silent += 1
            continue
        spoken += 1
        yield ({**record, "texts": found} if texts else record), place
    if silent and not spoken:
        there = ", ".join(sorted(languages)) or "of no caption is said which it is in"
        raise ConfigError(f"data.language={language}: captions are in other languages: {there}")
    if silent:
        notes.append(Finding("info", f"{silent:,} records of {split} have no caption in {language}"))


def _texts(record: Mapping[str, Any], place: str) -> Mapping[str, list[Any]]:
    """The captions of a record by language; none where it does not say which they are in."""
    texts = record.get("texts")
    if not isinstance(texts, Mapping):
        return {}
    if strange := next((key for key, listed in texts.items() if not isinstance(listed, list)), None):
        raise DataError(f"'texts' must map languages to lists of captions, not '{strange:.40}' to anything else", place)
    return texts


def _draw(pairs: Sequence[CaptionExample], settings: DataSettings, notes: list[Finding]) -> Splits:
    """The pairs split by pictures: files with the same content are one picture, whose captions stay together."""
    assert settings.split is not None  # as the source has checked
    path_of = {pair.image: pair.images[GROUP][0] for pair in pairs}
    first = first_equal(path_of.values())
    name_of = {path: name for name, path in reversed(path_of.items())}
    joined = [replace(pair, image=name_of[first[pair.images[GROUP][0]]]) for pair in pairs]
    pictures = [*dict.fromkeys(pair.image for pair in joined)]
    parts = dict(zip(SPLITS, split_rows(pictures, settings.split), strict=True))
    for split, rows in parts.items():
        if not rows:
            raise DataError(f"no picture of {len(pictures):,} is left for {split}: choose other shares (data.split)")
    where = {pictures[row]: split for split, rows in parts.items() for row in rows}
    sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in parts.items())
    notes.append(Finding("info", f"pictures split with seed {int(settings.split['seed'])}: {sizes}"))
    if equal := len(path_of) - len(pictures):
        files = plural(equal, "file holds", "files hold")
        notes.append(Finding("info", f"{equal:,} {files} the same picture as another one: its captions are joined"))
    return {split: [pair for pair in joined if where[pair.image] == split] for split in SPLITS}
