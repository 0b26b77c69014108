"""Published collections of poems, read as if people had written them as records of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mkgc.data.formats.converted import Placed
from mkgc.data.formats.text_files import find, read_lines
from mkgc.errors import DataError
from mkgc.inspect.report import Finding
from mkgc.terminal import plural

TITLE_KEYS = ("title", "rhythmic", "chapter")
"""What a title is called: of poems, of ci (after their tune), of classics."""
LINE_KEYS = ("paragraphs", "content", "para")
"""What the lines of a poem are called."""

ANTHOLOGIES = ("唐诗三百首.json", "宋词三百首.json", "shijing.json")
"""Files of chinese-poetry: Three Hundred Tang Poems, Three Hundred Song Ci, the Book of Songs."""


def chinese_poetry(root: Path, notes: list[Finding], names: Sequence[str] = ()) -> Iterator[Placed]:
    """The poems of JSON files in a folder and below it, or of those with some ``names``, in chinese-poetry's layouts.

    Whatever its name, a file is read by its records' keys; files without poems, such as those of authors, are passed
    over.

    Raises (on reading):
        DataError: No file has poems, one that is named is missing, a file is no JSON or its poems are malformed.
    """
    files = sorted(path for path in root.rglob("*.json") if not names or path.name in names)
    if missing := [name for name in names if name not in {path.name for path in files}]:
        raise DataError(f"no file '{missing[0]}' there or in a folder below", root)
    passed, found = [], False
    for path in files:
        poems, empty = _poems(path)
        found = found or bool(poems)
        passed += [] if poems else [path]
        if poems and empty:
            notes.append(Finding("info", f"{path}: {empty:,} {plural(empty, 'poem', 'poems')} without a line left out"))
        yield from poems
    if not found:
        keys = " or ".join(f"'{key}'" for key in LINE_KEYS)
        raise DataError(f"none of {len(files):,} JSON files has poems: lists of records whose lines are {keys}", root)
    if passed:
        notes.append(Finding("info", f"{len(passed):,} of {len(files):,} JSON files have no poems, as {passed[0]}"))


def _poems(path: Path) -> tuple[list[Placed], int]:
    """The poems of a file, and how many have no line.

    Raises:
        DataError: It is no JSON, or some of its records are poems and others not.
    """
    records = [*_records(_loaded(path), f"{path}: record")]
    lines = [(record, place, key) for record, place in records for key in LINE_KEYS if key in record]
    if lines and len(lines) != len(records):
        poems = {place for _, place, _ in lines}
        first = next(place for _, place in records if place not in poems)
        raise DataError(f"has no lines ({', '.join(LINE_KEYS)}), or several, as other records of the file have", first)
    return [(_record(*one), one[1]) for one in lines if one[0][one[2]]], sum(not one[0][one[2]] for one in lines)


def _records(value: Any, place: str) -> Iterator[Placed]:
    """The records of a list, and of the lists in such (`content` may be chapters, each with a `content`)."""
    if isinstance(value, dict):
        inner = next((value[key] for key in LINE_KEYS if _nested(value.get(key))), None)
        if inner is None:
            yield value, place
        else:
            yield from _records(inner, place)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _records(item, f"{place} {number}")
    else:
        raise DataError(f"must be a JSON object, not {value!r:.40}", place)


def _nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _record(poem: dict[str, Any], place: str, key: str) -> dict[str, Any]:
    lines = poem[key]
    title = next((poem[name] for name in TITLE_KEYS if poem.get(name)), None)
    own = {"title": title, "author": poem.get("author") or None, "id": poem.get("id")}
    return {**own, "lines": [lines] if isinstance(lines, str) else lines}


def _loaded(path: Path) -> Any:
    """The JSON of a file.

    Raises:
        DataError: It is none.
    """
    text = "\n".join(line for _, line in read_lines(path))
    if not text.strip():
        raise DataError("is empty", path)
    try:
        return json.loads(text)
    except RecursionError:
        raise DataError("is nested too deeply to hold poems", path) from None
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise DataError(f"is not JSON: {getattr(error, 'msg', error)}", path, line) from error


def pkg_bert(root: Path, notes: list[Finding]) -> Iterator[Placed]:
    """PKG-Bert's own file of poems, ``poetry.txt``: a title and a text a line, with ``|`` between.

    Raises (on reading):
        DataError: It is missing or empty, or a line has no text.
    """
    path = find(root / "poetry.txt")
    for number, line in read_lines(path):
        title, divider, text = line.partition("|")
        if line.strip():
            if not divider:
                raise DataError("has no '|' between a title and a text", path, number)
            yield {"title": title, "text": text}, f"{path}:{number}"
