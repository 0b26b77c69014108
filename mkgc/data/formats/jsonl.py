"""People's own records: one JSON object a line, in the form that the README shows for each task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.formats.fields import is_plain
from mkgc.data.formats.text_files import attempt_lines
from mkgc.errors import DataError


class Line(NamedTuple):
    """A line of a file: its number, its place (file and number), and its record, or why it has none."""

    number: int
    place: str
    record: dict[str, Any] | DataError


def read_records(path: Path) -> list[Line]:
    """The objects of a file, one a line; blank lines are passed over.

    Raises:
        DataError: There is no such file, it cannot be read at all, or it has no record.
    """
    written = ((number, text) for number, text in attempt_lines(path) if isinstance(text, DataError) or text.strip())
    lines = [Line(number, f"{path}:{number}", parse_line(text, path, number)) for number, text in written]
    if not lines:
        raise DataError("is empty", path)
    return lines


def require_records(lines: Sequence[Line]) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of lines that all have one, and for each its place.

    Raises:
        DataError: A line is not a JSON object.
    """
    records = []
    for line in lines:
        if isinstance(line.record, DataError):
            raise line.record
        records.append(line.record)
    return records, [line.place for line in lines]


def record_names(lines: Sequence[Line]) -> Iterator[Any]:
    """What each record is called in what comes of it: by its own id, or its number."""
    for number, line in enumerate(lines, start=1):
        name = None if isinstance(line.record, DataError) else line.record.get("id")
        yield name if name is not None and is_plain(name) else number


def parse_line(line: str | DataError, path: Path, number: int) -> dict[str, Any] | DataError:
    """The object of a line, or what is wrong with it."""
    if isinstance(line, DataError):
        return line
    try:
        record = json.loads(line, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        return DataError(f"is not JSON: {error.msg} at column {error.colno}{_advice(line)}", path, number)
    except RecursionError:
        return DataError("is nested too deeply to be a record", path, number)
    except ValueError as error:  # of the hooks, or Python's own of whole numbers with thousands of digits
        reason = "a number has thousands of digits" if "integer string" in str(error) else error
        return DataError(f"is no record: {reason}", path, number)
    if not isinstance(record, dict):
        return DataError(f"must be a JSON object, not {line.strip()[:40]}{_advice(line)}", path, number)
    return record


def _advice(line: str) -> str:
    """A hint about JSON that is spread over lines, or that holds the records in a list."""
    if "\0" in line:
        return "; it holds NULs: is it UTF-16? save the file as UTF-8"
    if line.strip() in ("{", "[") or line.lstrip().startswith("[{"):
        return "; a file has one JSON object a line, not a list of them, and none over several lines"
    return ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key '{twice:.40}' stands twice in one object")
    return out


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
