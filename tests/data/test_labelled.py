import json
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.examples import Span
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample
from tasks.mner.example import TaggedExample
from tasks.mner.source import TaggedSource
from tasks.mre.source import RelationSource

RELATED_FORMAT, TAGGED_FORMAT = RelationSource.formats["jsonl"], TaggedSource.formats["jsonl"]
WORDS = ["Ada", "left", "New", "York"]
RELATED: dict[str, Any] = {"tokens": WORDS, "head": "Ada", "tail": [2, 4], "relation": "left"}
TAGGED = {"tokens": WORDS, "tags": ["B-PER", "O", "B-LOC", "I-LOC"]}
SPANS = [{"start": 2, "end": 4, "type": "LOC"}, {"start": 0, "end": 1, "type": "PER"}]


def write(root: Path, split: str, *records: dict[str, Any]) -> Path:
    path = root / f"{split}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def refused(root: Path, read: Any, split: str) -> str:
    with pytest.raises(DataError) as error:
        read(root, split)
    return str(error.value).removeprefix(f"{root}/")


def test_a_record_of_a_relation_is_a_query_with_its_answer(tmp_path: Path) -> None:
    write(tmp_path, "train", {**RELATED, "id": "a", "image": "maps/1.jpg", "crops": ["2.jpg"]})
    images = {"image": (tmp_path / "maps/1.jpg",), "objects": ()}
    expected = RelationExample("a", tuple(WORDS), Span(0, 1), Span(2, 4), "left", images)
    assert RELATED_FORMAT.examples(tmp_path, "train", ("image", "objects")) == [expected]


def test_relations_are_those_of_train_sorted_with_none_first(tmp_path: Path) -> None:
    names = ("left", "None", "Born", "left")
    write(tmp_path, "train", *({**RELATED, "relation": name} for name in names))
    assert RELATED_FORMAT.labels(tmp_path) == ("None", "Born", "left")


def test_a_tagged_record_has_a_tag_a_word(tmp_path: Path) -> None:
    path = write(tmp_path, "train", TAGGED)
    expected = TaggedExample(f"{path}:1", tuple(WORDS), ("B-PER", "O", "B-LOC", "I-LOC"), {"image": ()})
    assert TAGGED_FORMAT.examples(tmp_path, "train") == [expected]


def test_spans_of_words_say_the_same_as_tags(tmp_path: Path) -> None:
    write(tmp_path, "train", TAGGED)
    write(tmp_path, "dev", {"tokens": WORDS, "spans": SPANS}, {"text": "nobody left", "spans": []})
    first, second = TAGGED_FORMAT.examples(tmp_path, "dev")
    assert first.tags == TAGGED_FORMAT.examples(tmp_path, "train")[0].tags
    assert second.tags == ("O", "O")


def test_two_spans_side_by_side_are_two_entities(tmp_path: Path) -> None:
    spans = [{"start": 2, "end": 3, "type": "LOC"}, {"start": 3, "end": 4, "type": "LOC"}]
    write(tmp_path, "train", {"tokens": WORDS, "spans": spans})
    assert TAGGED_FORMAT.examples(tmp_path, "train")[0].tags == ("O", "O", "B-LOC", "B-LOC")


def test_types_are_those_of_train_sorted(tmp_path: Path) -> None:
    write(tmp_path, "train", TAGGED, {"tokens": WORDS, "spans": [{"start": 1, "end": 2, "type": "ACT"}]})
    assert TAGGED_FORMAT.labels(tmp_path) == ("ACT", "LOC", "PER")


def test_dev_may_be_called_valid(tmp_path: Path) -> None:
    write(tmp_path, "train", TAGGED)
    write(tmp_path, "valid", TAGGED)
    assert len(TAGGED_FORMAT.examples(tmp_path, "dev")) == 1


def test_a_missing_split_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "train", TAGGED)
    assert refused(tmp_path, TAGGED_FORMAT.examples, "dev") == "dev.jsonl: no such file, nor valid.jsonl"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"relation": "likes"}, "the relation 'likes' does not occur in train (left)"),
        ({"relation": None}, "'relation' must be the name of one, not None"),
        ({"relation": ""}, "'relation' must be the name of one, not ''"),
        ({"tail": [2, 5]}, "'tail' [2, 5) lies outside the sentence of 4 tokens"),
        (
            {"label": "left"},
            "no such key: 'label'; there are crops, dependencies, head, id, image, objects, relation, scene, tail, "
            "text, tokens",
        ),
    ],
)
def test_a_record_of_a_relation_that_cannot_be_used_is_named(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    write(tmp_path, "train", RELATED)
    write(tmp_path, "test", RELATED, {**RELATED, **change})
    assert refused(tmp_path, RELATED_FORMAT.examples, "test") == f"test.jsonl:2: {reason}"


def test_a_relation_must_be_given(tmp_path: Path) -> None:
    write(tmp_path, "train", {key: value for key, value in RELATED.items() if key != "relation"})
    assert refused(tmp_path, RELATED_FORMAT.examples, "train") == "train.jsonl:1: the key 'relation' is missing"


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({}, "give one of 'tags' and 'spans'"),
        ({"tags": ["O"] * 4, "spans": []}, "give one of 'tags' and 'spans'"),
        ({"tags": ["O"] * 3}, "'tags' must be a list of 4 tags, one a word, not 3"),
        ({"tags": "OOOO"}, "'tags' must be a list of 4 tags, one a word, not 'OOOO'"),
        (
            {"tags": ["O", "O", "O", "LOC"]},
            "the tag 'LOC' is none of O, B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)",
        ),
        (
            {"tags": ["O", "O", "O", 1]},
            "the tag 1 is none of O, B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)",
        ),
        (
            {"tags": ["O", "O", "O", "B-"]},
            "the tag 'B-' is none of O, B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)",
        ),
        ({"tags": ["O", "O", "O", "B-ORG"]}, "the entity type 'ORG' does not occur in train (LOC, PER)"),
        ({"spans": {}}, "'spans' must be a list, not {}"),
        ({"spans": [[0, 1, "PER"]]}, "'spans' must be a mapping of keys to values, not [0, 1, 'PER']"),
        ({"spans": [{"start": 0, "type": "PER"}]}, "the key 'end' is missing in 'spans'"),
        ({"spans": [{"start": 0, "end": 1}]}, "the key 'type' is missing in 'spans'"),
        ({"spans": [{"start": 0, "end": 1, "type": 3}]}, "'type' must be the name of an entity type, not 3"),
        ({"spans": [{"start": 0, "end": 0, "type": "PER"}]}, "'spans' is empty: its start 0 is not before its end 0"),
        ({"spans": [{"start": 3, "end": 5, "type": "PER"}]}, "'spans' [3, 5) lies outside the sentence of 4 tokens"),
        (
            {"spans": [*SPANS, {"start": 3, "end": 4, "type": "PER"}]},
            "'spans' [3, 4) overlaps another one: a word has one type at most",
        ),
    ],
)
def test_a_tagged_record_that_cannot_be_used_is_named(tmp_path: Path, labels: dict[str, Any], reason: str) -> None:
    write(tmp_path, "train", TAGGED)
    write(tmp_path, "dev", TAGGED, {"tokens": WORDS, **labels})
    assert refused(tmp_path, TAGGED_FORMAT.examples, "dev") == f"dev.jsonl:2: {reason}"
