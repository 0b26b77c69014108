import json
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.examples import Span
from mkgc.data.formats import jsonl
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample
from tasks.link_prediction.link_query import InductiveEntity, LinkQuery, parse_query
from tasks.mner.example import TaggedExample, parse_tagged
from tasks.mre.example import parse_relation

WORDS = ("New", "York", "is", "east", "of", "Ohio")
PLACE = "in.jsonl:3"
ONE_A_LINE = "; a file has one JSON object a line, not a list of them, and none over several lines"
TWO = "give two of head, relation, tail, the third is what is asked for; given:"


def sentence(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"tokens": list(WORDS), "head": [0, 2], "tail": [5, 6], **changes}
    return {key: value for key, value in record.items() if value is not None}


def test_a_record_is_a_sentence_with_spans_and_images_beside_the_file(tmp_path: Path) -> None:
    record: dict[str, Any] = sentence(id="a", image="maps/1.jpg", crops=["2.png", "/elsewhere/3.png"])
    images = {"image": (tmp_path / "maps/1.jpg",), "crops": (tmp_path / "2.png", Path("/elsewhere/3.png"))}
    expected = RelationExample("a", WORDS, Span(0, 2), Span(5, 6), None, images)
    assert parse_relation(record, tmp_path, PLACE) == expected


@pytest.mark.parametrize(
    "changes",
    [{"tokens": None, "text": " New York is\teast of Ohio\n"}, {"head": "New York", "tail": "Ohio"}],
)
def test_a_text_has_words_and_mentions_may_be_words(changes: dict[str, Any], tmp_path: Path) -> None:
    expected = RelationExample(PLACE, WORDS, Span(0, 2), Span(5, 6))
    assert parse_relation(sentence(**changes), tmp_path, PLACE) == expected


def test_a_tagged_record_needs_its_words_only(tmp_path: Path) -> None:
    assert parse_tagged({"text": "New York", "id": 7}, tmp_path, PLACE) == TaggedExample("7", ("New", "York"))


@pytest.mark.parametrize("missing", ["head", "relation", "tail"])
def test_a_query_lacks_its_head_its_relation_or_its_tail(missing: str) -> None:
    record: dict[str, Any] = {"head": "France", "relation": "borders", "tail": "Spain", missing: None}
    query = LinkQuery(**record)
    assert parse_query(record | {"id": 7}, PLACE) == query
    assert parse_query({k: v for k, v in record.items() if v}, PLACE) == query


def test_an_unseen_entity_is_described_instead_of_named() -> None:
    whole = {"name": "Elbonia", "description": "Mud.", "images": ["maps/elbonia.jpg", "/elsewhere/flag.png"]}
    described = InductiveEntity("Elbonia", "Mud.", (Path("maps/elbonia.jpg"), Path("/elsewhere/flag.png")))
    query = parse_query({"head": whole, "relation": "borders"}, PLACE)
    assert query == LinkQuery(described, "borders", None)
    both = parse_query({"head": {"name": "Elbonia"}, "tail": {"name": "Latveria", "images": "x.jpg"}}, PLACE)
    assert both == LinkQuery(InductiveEntity("Elbonia"), None, InductiveEntity("Latveria", images=(Path("x.jpg"),)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tokens": None}, "give one of 'text' and 'tokens'"),
        ({"text": "New York"}, "give one of 'text' and 'tokens'"),
        ({"tokens": []}, "'tokens' must be a list of words, none of them empty, not []"),
        ({"tokens": ["a", 1]}, "'tokens' must be a list of words, none of them empty, not ['a', 1]"),
        ({"tokens": ["half", "\ud83d"]}, "'tokens' holds half a character (a lone surrogate): '\\ud83d'"),
        ({"tokens": None, "text": " "}, "'text' must be a sentence, not ' '"),
        ({"tokens": None, "text": "half \ud83d"}, "'text' holds half a character (a lone surrogate): 'half \\ud83d'"),
        ({"head": "A\ud83d"}, "'head' holds half a character (a lone surrogate): 'A\\ud83d'"),
        ({"id": {"half \ud83d": 1}}, "'a key' holds half a character (a lone surrogate): 'half \\ud83d'"),
        ({"id": float("nan")}, "'id' holds nan, which is no number in JSON"),
        ({"head": [0, 10**50]}, "'head' lies outside the sentence of 6 tokens, beyond 1,000,000,000,000"),
        ({"head": [0.0, 2.0]}, "'head' must be two token positions [start, end), not [0.0, 2.0]"),
        ({"head": [-6, -4]}, "'head' [-6, -4) lies outside the sentence of 6 tokens"),
        (
            {"tail": "ohio"},
            "'tail' \"ohio\" does not stand in the sentence as whole words (there is Ohio): give [start, end)",
        ),
        (
            {"tokens": ["Ada\u200b", "x"], "head": "Ada"},
            "'head' \"Ada\" does not stand in the sentence as whole words "
            "(there is 'Ada\\u200b', with an invisible character): give [start, end)",
        ),
        ({"image": "https://x.org/a.jpg"}, "'image' is an address (https://…): images are read from files"),
        (
            {"image": ["a.png", "data:image/png;base64,AA"]},
            "'image' is an address (data:…): images are read from files",
        ),
        ({"image": "a\0.png"}, "'image' holds a NUL, which no name of a file has: 'a\\x00.png'"),
        ({"image": [None]}, "'image' must be the name of a file or a list of such, not [None]"),
        ({"image": ""}, "'image' must be the name of a file or a list of such, not ''"),
        ({"head": None}, "the key 'head' is missing"),
        ({"head": [0]}, "'head' must be two token positions [start, end), not [0]"),
        ({"head": [0, True]}, "'head' must be two token positions [start, end), not [0, True]"),
        ({"head": [2, 1]}, "'head' is empty: its start 2 is not before its end 1"),
        ({"tail": [5, 7]}, "'tail' [5, 7) lies outside the sentence of 6 tokens"),
        (
            {"head": "York New"},
            "'head' \"York New\" does not stand in the sentence as whole words: give [start, end)",
        ),
        (
            {"tokens": ["a", "b", "a", "b", "a", "c"], "head": "a b"},
            "'head' \"a b\" stands 2 times in the sentence as whole words: give [start, end)",
        ),
        ({"head": ""}, "'head' \"\" does not stand in the sentence as whole words: give [start, end)"),
        ({"image": 7}, "'image' must be the name of a file or a list of such, not 7"),
        ({"objects": ["a.png", ""]}, "'objects' must be the name of a file or a list of such, not ['a.png', '']"),
        (
            {"images": "a"},
            "no such key: 'images'; there are crops, dependencies, head, id, image, objects, relation, scene, tail, "
            "text, tokens",
        ),
    ],
)
def test_a_sentence_that_cannot_be_used_is_named_with_its_reason(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        parse_relation(sentence(**changes), tmp_path, PLACE)
    assert str(error.value) == f"{PLACE}: {reason}"


def test_null_is_as_good_as_leaving_a_key_out(tmp_path: Path) -> None:
    record = {"text": "New York", "tokens": None, "image": None, "id": None}
    assert parse_tagged(record, tmp_path, PLACE) == TaggedExample(PLACE, ("New", "York"))


def test_a_value_that_is_nested_without_end_is_named(tmp_path: Path) -> None:
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    with pytest.raises(DataError, match="'id' is nested more than 100 levels deep"):
        parse_relation(sentence(id=deep), tmp_path, PLACE)


def test_a_line_that_cannot_be_read_stands_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"text": "a"}\n\n\xff\n{"text": \n{"text": "b"}\n')
    lines = jsonl.read_records(path)
    assert [line.number for line in lines] == [1, 3, 4, 5]
    assert [isinstance(line.record, DataError) for line in lines] == [False, True, True, False]


def test_a_tagged_record_knows_no_head(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match="no such key: 'head'; there are crops, dependencies, id, image, objects, scene, spans, tags, "
        "text, tokens$",
    ):
        parse_tagged(sentence(), tmp_path, PLACE)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"head": "France"}, f"{TWO} 'head'"),
        ({"relation": "borders", "tail": None}, f"{TWO} 'relation'"),
        ({}, f"{TWO} none"),
        ({"head": "a", "relation": "b", "tail": "c"}, f"{TWO} 'head', 'relation', 'tail'"),
        ({"head": 7, "relation": "borders"}, "'head' must be text, or an object with a name, not 7"),
        ({"head": "a", "relation": ["b"]}, "'relation' must be text, not ['b']"),
        ({"head": "a", "relation": {"name": "b"}}, "'relation' must be text, not {'name': 'b'}"),
        ({"head": "a", "relation": "b", "tale": "c"}, "no such key: 'tale'; a query has two of head, relation, tail"),
        (
            {"head": {"name": "a", "image": "a.jpg"}, "relation": "b"},
            "no such key in 'head': 'image'; there are name, description, images",
        ),
        ({"relation": "b", "tail": {"description": "a"}}, "the key 'name' is missing in 'tail'"),
        (
            {"relation": "b", "tail": {"name": "\u200b"}},
            "'name' in 'tail' must be text that is not empty, not '\\u200b'",
        ),
        (
            {"relation": "b", "tail": {"name": "a", "description": "\udc00"}},
            "'tail' holds half a character (a lone surrogate): '\\udc00'",
        ),
        ({"relation": "b", "tail": {"name": " "}}, "'name' in 'tail' must be text that is not empty, not ' '"),
        ({"relation": "b", "tail": {"name": 7}}, "'name' in 'tail' must be text that is not empty, not 7"),
        ({"relation": "b", "tail": {"name": "a", "description": 7}}, "'description' in 'tail' must be text, not 7"),
        (
            {"relation": "b", "tail": {"name": "a", "images": [""]}},
            "'images' in 'tail' must be the name of a file or a list of such, not ['']",
        ),
    ],
)
def test_a_query_that_cannot_be_used_is_named_with_its_reason(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError) as error:
        parse_query(record, PLACE)
    assert str(error.value) == f"{PLACE}: {reason}"


def test_records_come_with_their_places_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('\ufeff{"text": "a"}\r\n\r\n{"text": "\u2028b"}', encoding="utf-8")
    records = jsonl.require_records(jsonl.read_records(path))
    assert records == ([{"text": "a"}, {"text": "\u2028b"}], [f"{path}:1", f"{path}:3"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"text": "a"}\n{"text": \n', ":2: is not JSON: Expecting value at column 10"),
        (b"['a']\n", ":1: is not JSON: Expecting value at column 2"),
        (b'{"text": "a"}\n["b"]\n', ':2: must be a JSON object, not ["b"]'),
        (b'{"text": "caf\xe9"}\n', ":1: byte 0xe9 at column 14 is not UTF-8: save the file as UTF-8"),
        (b'{"id": ' + b"9" * 5000 + b"}", ":1: is no record: a number has thousands of digits"),
        (b"[" * 100_000, ":1: is nested too deeply to be a record"),
        (b'{"text": NaN}', ":1: is no record: NaN is no number in JSON"),
        (b'{"head": "a", "head": "b"}', ":1: is no record: the key 'head' stands twice in one object"),
        (
            b'{\n "text": "a"\n}',
            f":1: is not JSON: Expecting property name enclosed in double quotes at column 2{ONE_A_LINE}",
        ),
        (
            b'[\n{"text": "a"},\n]',
            f":1: is not JSON: Expecting value at column 2{ONE_A_LINE}",
        ),
        (
            b'[{"text": "a"}]',
            f':1: must be a JSON object, not [{{"text": "a"}}]{ONE_A_LINE}',
        ),
        ('{"text": "a"}'.encode("utf-16"), ": is UTF-16: save the file as UTF-8"),
        (
            '{"text": "a"}'.encode("utf-16-le"),
            ":1: is not JSON: Expecting property name enclosed in double quotes at column 2; it holds NULs: is it "
            "UTF-16? save the file as UTF-8",
        ),
        (b"\n \n", ": is empty"),
        (None, ": no such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "in.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        jsonl.require_records(jsonl.read_records(path))
    assert str(error.value) == f"{path}{reason}"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        jsonl.read_records(tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_json_escapes_of_whole_characters_are_fine(tmp_path: Path) -> None:
    record = json.loads('{"text": "\\ud83d\\ude00"}')
    assert parse_tagged(record, tmp_path, PLACE).tokens == ("😀",)


def test_labels_in_a_record_are_passed_over_where_they_are_asked_for(tmp_path: Path) -> None:
    assert parse_relation(sentence(relation="east of"), tmp_path, PLACE).relation is None
    tagged = {"tokens": list(WORDS), "tags": ["O"] * 6, "spans": []}
    assert parse_tagged(tagged, tmp_path, PLACE).tags is None
