"""People's own records: one JSON object a line, in the form that the README shows for each task."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mkgc.data.examples import ImagePaths, RelationExample, Span, TaggedExample
from mkgc.data.formats import fields
from mkgc.data.formats.files import attempt_lines
from mkgc.data.formats.locate import locate
from mkgc.errors import DataError

GROUPS = frozenset({"image", "crops", "objects"})
TRIPLE = ("head", "relation", "tail")
ADDRESS = re.compile(r"data:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How a name begins that is not a file's."""


@dataclass(frozen=True)
class InductiveEntity:
    """An entity that the graph does not have; ``images`` are as written, relative to the folder of the input."""

    name: str
    description: str = ""
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class LinkQuery:
    """A triple of which one part is missing; that one is None. Text is an id or a name of the graph's."""

    head: str | InductiveEntity | None
    relation: str | None
    tail: str | InductiveEntity | None


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
    lines = [Line(number, f"{path}:{number}", _record(text, path, number)) for number, text in written]
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


def _record(line: str | DataError, path: Path, number: int) -> dict[str, Any] | DataError:
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
    """What to do about JSON that is spread over lines, or that holds the records in a list."""
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


def parse_relation(record: Mapping[str, Any], folder: Path, place: str) -> RelationExample:
    """``text`` or ``tokens``, with ``head`` and ``tail`` as positions or as words of it; ``relation`` is passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    record = fields.given(record, place)
    _known(record, {"text", "tokens", "head", "tail", "relation"}, place)
    words = _words(record, place)
    head, tail = (_mention(fields.need(record, key, place), words, key, place) for key in ("head", "tail"))
    return RelationExample(str(record.get("id", place)), words, head, tail, None, _images(record, folder, place))


def parse_tagged(record: Mapping[str, Any], folder: Path, place: str) -> TaggedExample:
    """``text`` or ``tokens``; ``tags`` and ``spans`` are passed over.

    Raises:
        DataError: Something is missing or of another kind.
    """
    record = fields.given(record, place)
    _known(record, {"text", "tokens", "tags", "spans"}, place)
    words = _words(record, place)
    return TaggedExample(str(record.get("id", place)), words, None, _images(record, folder, place))


def parse_query(record: Mapping[str, Any], place: str) -> LinkQuery:
    """Two of ``head``, ``relation`` and ``tail``, each by id or by name; an unseen head or tail as an object.

    Raises:
        DataError: Something is missing or of another kind.
    """
    record = fields.given(record, place)
    if strange := record.keys() - {"id", *TRIPLE}:
        raise DataError(f"no such key: '{min(map(str, strange))}'; a query has two of {', '.join(TRIPLE)}", place)
    given = [key for key in TRIPLE if key in record]
    if len(given) != 2:
        here = ", ".join(f"'{key}'" for key in given) if given else "none"
        raise DataError(f"give two of {', '.join(TRIPLE)}, the third is what is asked for; given: {here}", place)
    head, tail = (_entity(record.get(key), key, place) for key in ("head", "tail"))
    relation = record.get("relation")
    if relation is not None and not isinstance(relation, str):
        raise DataError(f"'relation' must be text, not {relation!r:.40}", place)
    return LinkQuery(head, relation, tail)


def _entity(value: Any, key: str, place: str) -> str | InductiveEntity | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise DataError(f"'{key}' must be text, or an object with a name, not {value!r:.40}", place)
    value = fields.given(value, place)
    if strange := value.keys() - {"name", "description", "images"}:
        first = min(map(str, strange))
        raise DataError(f"no such key in '{key}': '{first}'; there are name, description, images", place)
    name, description = fields.need(value, "name", place, key), value.get("description", "")
    if not isinstance(name, str) or not visible(name):
        raise DataError(f"'name' in '{key}' must be text that is not empty, not {name!r:.40}", place)
    if not isinstance(description, str):
        raise DataError(f"'description' in '{key}' must be text, not {description!r:.40}", place)
    files = _files(value.get("images", []), f"'images' in '{key}'", place)
    return InductiveEntity(name, description, tuple(map(Path, files)))


def _known(record: Mapping[str, Any], keys: set[str], place: str) -> None:
    if strange := record.keys() - keys - GROUPS - {"id"}:
        known = ", ".join(sorted(keys | GROUPS | {"id"}))
        raise DataError(f"no such key: '{min(map(str, strange))}'; there are {known}", place)


def _words(record: Mapping[str, Any], place: str) -> tuple[str, ...]:
    if ("text" in record) == ("tokens" in record):
        raise DataError("give one of 'text' and 'tokens'", place)
    if "tokens" in record:
        return fields.tokens(record["tokens"], "tokens", place)
    text = record["text"]
    if not isinstance(text, str) or not text.split():
        raise DataError(f"'text' must be a sentence, not {text!r:.40}", place)
    return fields.tokens(text.split(), "text", place)


def _mention(value: Any, words: tuple[str, ...], key: str, place: str) -> Span:
    """A span given by its positions, or by words that stand in the sentence just once."""
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


def _images(record: Mapping[str, Any], folder: Path, place: str) -> ImagePaths:
    groups = sorted(GROUPS & record.keys())
    named = ((group, _files(record[group], f"'{group}'", place)) for group in groups)
    return {group: tuple(locate((folder,), file) for file in files) for group, files in named}


def _files(value: Any, what: str, place: str) -> list[str]:
    files = [value] if isinstance(value, str) else value
    if not isinstance(files, list) or not all(isinstance(file, str) and file for file in files):
        raise DataError(f"{what} must be the name of a file or a list of such, not {value!r:.40}", place)
    for file in files:
        if "\0" in file:
            raise DataError(f"{what} holds a NUL, which no name of a file has: {file!r:.40}", place)
        if scheme := ADDRESS.match(file):
            raise DataError(f"{what} is an address ({scheme[0]}…): images are read from files", place)
    return files
