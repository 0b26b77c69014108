"""Mentions in a record: the words, positions of tokens, or characters of the text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.examples import Span
from mkgc.data.words import split_words
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample
from tasks.mner.example import parse_labelled, parse_tagged
from tasks.mre.example import parse_labelled as parse_labelled_relation
from tasks.mre.example import parse_relation

TEXT = "Look: a Panda, not a Tiger's cub. 大熊猫 and a Tiger!"
PLACE = "in.jsonl:1"


def parsed(**record: Any) -> RelationExample:
    return parse_relation({"tail": [0, 1], **record}, Path(), PLACE)


def refused(**record: Any) -> str:
    with pytest.raises(DataError) as error:
        parsed(**record)
    return str(error.value).removeprefix(f"{PLACE}: ")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("Panda", ("Panda",)),
        ("大熊猫", ("大", "熊", "猫")),
        ("熊猫 and a", ("熊", "猫", "and", "a")),
        ("Tiger's cub", ("Tiger", "'s", "cub")),
        ("Panda, not", ("Panda", ",", "not")),
        ({"char": [8, 13]}, ("Panda",)),
        ({"char": [7, 14]}, ("Panda", ",")),
        ({"char": [8, 11]}, ("Pan",)),
        ({"char": [34, 37]}, ("大", "熊", "猫")),
        ({"char": [44, 49], "text": "is not looked at"}, ("Tiger",)),
        ({"start": 3, "end": 4}, ("Panda",)),
        ([3, 4], ("Panda",)),
    ],
)
def test_a_mention_of_a_text_is_found_however_it_is_given(head: Any, words: tuple[str, ...]) -> None:
    example = parsed(text=TEXT, head=head)
    assert example.tokens[slice(*example.head)] == words


def test_words_are_found_in_tokens_that_are_split_finer() -> None:
    tokens = ["We", "do", "n't", "see", "大", "熊", "猫", "New", "York"]
    for head, span in (("大熊猫", (4, 7)), ("don't", (1, 3)), ("don't see", (1, 4)), ("New York", (7, 9))):
        assert parsed(tokens=tokens, head=head).head == Span(*span)
    assert "does not stand" in refused(tokens=tokens, head="NewYork see")
    assert "does not stand" in refused(tokens=["inside", "a"], head="in side")


def test_words_as_they_are_written_go_before_the_same_letters() -> None:
    assert parsed(tokens=["考", "拉", "is", "考拉"], head="考拉").head == Span(3, 4)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("panda", '\'head\' "panda" does not stand in the sentence as whole words (there is Panda): give {"char": […'),
        ("Pandda", '\'head\' "Pandda" does not stand in the sentence as whole words (there is Panda): give {"char"…'),
        ("pandas, not", "'head' \"pandas, not\" does not stand in the sentence as whole words (there is Panda, not)…"),
        ("owl", '\'head\' "owl" does not stand in the sentence as whole words: give {"char": [start, end)}'),
        (
            "Tiger",
            "'head' \"Tiger\" stands 2 times in the sentence as whole words: "
            'give {"char": [21, 26]} or {"char": [44, 49]}',
        ),
        ({"char": [8, 99]}, "'head' [8, 99) lies outside the sentence of 50 characters"),
        ({"char": [8, 8]}, "'head' is empty: its start 8 is not before its end 8"),
        ({"char": 8}, "'head' must be two character positions [start, end), not 8"),
        ({"char": [14, 15]}, "'head' holds no word: ' '"),
        ({"end": 4}, "the key 'start' is missing in 'head'"),
    ],
)
def test_a_mention_that_a_text_does_not_have_is_named_with_the_nearest(head: Any, reason: str) -> None:
    if reason.endswith("…"):
        assert refused(text=TEXT, head=head).startswith(reason[:-1])
    else:
        assert refused(text=TEXT, head=head) == reason


def test_characters_are_those_of_a_text() -> None:
    reason = "'head' names characters, and the record has 'tokens' and no 'text': give [start, end)"
    assert refused(tokens=["a", "b"], head={"char": [0, 1]}) == reason


def test_labels_may_be_spans_of_characters() -> None:
    spans = [
        {"char": [8, 13], "type": "ANIMAL"},
        {"char": [34, 37], "type": "动物"},
        {"start": 8, "end": 9, "type": "X"},
    ]
    example = parse_labelled({"text": TEXT, "spans": spans}, Path(), PLACE)
    tagged = [pair for pair in zip(example.tokens, example.tags or (), strict=True) if pair[1] != "O"]
    chinese = [("大", "B-动物"), ("熊", "I-动物"), ("猫", "I-动物")]
    assert tagged == [("Panda", "B-ANIMAL"), ("'s", "B-X"), *chinese]


def test_labels_are_passed_over_where_entities_are_asked_for() -> None:
    for wrong in ({"char": [8, 11], "type": "X"}, {"char": "no"}):
        assert "Panda" in parse_tagged({"text": TEXT, "spans": [wrong]}, Path(), PLACE).tokens


def test_tags_of_a_text_are_those_of_its_words() -> None:
    with pytest.raises(DataError, match="must be a list of 3 tags, one a word, not 2; give the words as 'tokens', or"):
        parse_labelled({"text": "A Panda.", "tags": ["O", "B-X"]}, Path(), PLACE)


def own_sentences() -> str:
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    return page.split("## Your own sentences")[1].split("\n## ")[0]


def test_the_records_of_the_page_are_read() -> None:
    records = [json.loads(line) for line in own_sentences().splitlines() if line.startswith("    {")]
    assert len(records) == 5
    for record in records:
        if "relation" in record:
            example = parse_labelled_relation(record, Path(), PLACE)
            assert {example.tokens[slice(*example.head)], example.tokens[slice(*example.tail)]} <= {
                ("Ada",),
                ("Rome",),
                ("罗", "马"),
            }
        else:
            tagged = parse_labelled(record, Path(), PLACE)
            assert (tagged.tags or ())[:2] == ("B-PER", "O")


def test_the_texts_of_the_page_have_the_words_that_stand_beside_them() -> None:
    rows = re.findall(r"^\| `(.*)` \| (.* · .*) \|$", own_sentences(), re.MULTILINE)
    assert len(rows) == 5
    assert [split_words(text).words for text, _ in rows] == [tuple(words.split(" · ")) for _, words in rows]
