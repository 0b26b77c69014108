"""Records of every task, in files and as values from Python."""

import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.formats import fields, jsonl
from mkgc.errors import DataError
from tasks.entity_typing import example as typing
from tasks.link_prediction.link_query import parse_query
from tasks.mner import example as mner
from tasks.mre import example as mre
from tasks.relation_classification import example as linked
from tasks.retrieval.example import parse_pairs
from tests.fuzz.limits import failures

WORDS = (
    "Ada",
    "Bob",
    "Rome",
    "met",
    ".",
    "小明",
    "😀",
    "a" * 300,
    "\u200b",
    "\u00a0",
    "\ud83d",
    "\0",
    "[MASK]",
    "<s>",
    "",
)
NUMBERS = (0, 1, -1, 2, 3, 10**18, 10**400, 0.0, 1.5, 1e308, float("nan"), float("inf"), True, False)
FILES = (
    "a.png",
    "",
    "a" * 300,
    "x/../../etc",
    "/dev/zero",
    "data:image/png;base64,AA",
    "https://x.org/a.jpg",
    "a\0b",
    ".",
    "ü.png",
)
KEYS = (
    "id",
    "text",
    "tokens",
    "head",
    "tail",
    "relation",
    "mention",
    "types",
    "entities",
    "bag",
    "tags",
    "spans",
    "image",
    "crops",
    "objects",
    "name",
    "char",
    "start",
    "end",
    "type",
    "foo",
    "",
)
WHOLE = (
    {"text": "Ada met Bob in Rome", "head": "Ada", "tail": [2, 3], "relation": "knows", "image": "a.png"},
    {"tokens": ["Ada", "met", "Bob"], "tags": ["B-PER", "O", "B-PER"], "image": ["a.png"]},
    {"tokens": ["Ada", "met", "Bob"], "spans": [{"start": 0, "end": 1, "type": "PER"}]},
    {"text": "Ada, Bob! 罗马", "head": {"char": [0, 3]}, "tail": "罗马", "relation": "knows"},
    {"text": "Ada, Bob! 罗马", "spans": [{"char": [10, 12], "type": "LOC"}]},
    {"text": "Ada met Bob", "mention": "Ada", "types": ["PER"], "entities": [{"char": [0, 3], "id": "ada"}]},
    {"text": "Ada met Bob", "head": "Ada", "tail": "Bob", "relation": "knows", "bag": "1", "entities": []},
    {"texts": ["Ada in Rome", "罗马"], "image": ["a.png", "b.png"]},
    {"head": "e1", "relation": "near"},
    {"head": {"name": "Nu", "description": "a thing", "images": ["a.png"]}, "tail": "e2"},
)
PARSERS = (
    mre.parse_relation,
    mner.parse_tagged,
    lambda record, _, place: parse_query(record, place),
    mre.parse_labelled,
    mner.parse_labelled,
    typing.parse_labelled,
    linked.parse_labelled,
    parse_pairs,
)


def value(draw: random.Random, depth: int = 0) -> Any:
    """Anything that JSON or Python can hold."""
    kind = draw.randrange(9 if depth < 4 else 5)
    if kind < 2:
        return draw.choice(NUMBERS)
    if kind < 4:
        return " ".join(draw.choices(WORDS + FILES, k=draw.randint(1, 4)))
    if kind == 4:
        return None
    if kind < 7:
        return [value(draw, depth + 1) for _ in range(draw.randint(0, 4))]
    return {draw.choice(KEYS): value(draw, depth + 1) for _ in range(draw.randint(0, 3))}


def records(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Records that are right but for one to three keys."""
    draw = random.Random(seed)
    for _ in range(count):
        record = dict(draw.choice(WHOLE))
        for _ in range(draw.randint(1, 3)):
            record[draw.choice([*record, *KEYS])] = value(draw)
        if draw.random() < 0.2:
            del record[draw.choice([*record])]
        yield record


def lines(seed: int, count: int) -> Iterator[bytes]:
    """Files of records: written as JSON, then cut, repeated, spoiled or in another encoding."""
    draw = random.Random(seed)
    for record in records(seed, count):
        try:
            text = json.dumps(record, ensure_ascii=draw.random() < 0.5)
        except (ValueError, TypeError):
            continue
        data = text.encode(draw.choice(["utf-8"] * 6 + ["utf-16", "utf-32", "utf-8-sig"]), "surrogatepass")
        place, kind = draw.randrange(len(data) + 1), draw.randrange(8)
        spoiled = {
            0: data[:place],
            1: data[:place]
            + draw.choice([b"[", b"{", b'"', b"\\", b"\xff", b"\0", b"\r", b"\n"]) * draw.choice([1, 100_000]),
            2: b"9" * draw.choice([10, 4300, 5000]),
            3: b'{"id": ' + b"9" * 5000 + b"}",
            4: b"[" * 100_000 + data,
            5: b'{"id":' * 50_000,
        }
        yield b"\n".join([data, spoiled.get(kind, data), b"", data])


def parse(record: dict[str, Any]) -> None:
    said = []
    for parser in PARSERS:
        try:
            parser(record, Path("folder"), "in.jsonl:1")
        except DataError as error:
            said.append(str(error))
    assert all(line.startswith("in.jsonl:1: ") and "\n" not in line for line in said), said


def parse_file(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for line in jsonl.read_records(path):
        if not isinstance(line.record, DataError):
            parse(line.record)
            json.dumps(fields.given(line.record, ""), allow_nan=False).encode()


def test_a_record_is_read_or_refused_in_a_line() -> None:
    assert failures(records(0, 300), parse) == []


def test_a_file_of_records_is_read_or_refused_in_a_line(tmp_path: Path) -> None:
    assert failures(lines(1, 60), partial(parse_file, path=tmp_path / "in.jsonl")) == []


@pytest.mark.slow
def test_thousands_of_records_are_read_or_refused(tmp_path: Path) -> None:
    assert failures(records(2, 20_000), parse) == []
    assert failures(lines(3, 2_000), partial(parse_file, path=tmp_path / "in.jsonl")) == []
