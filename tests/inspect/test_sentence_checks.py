from pathlib import Path
from typing import Any

import pytest

from mkgc.data.dataset import Dataset
from mkgc.data.examples import SPLITS, Span
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import learned
from mkgc.images.coverage import Coverage
from mkgc.images.loaded import LoadedImages
from mkgc.inspect.overlap import find_overlap
from mkgc.inspect.published import PUBLISHED
from mkgc.inspect.report import Section
from mkgc.inspect.sentence_checks import (
    compared,
    count_labels,
    measure_lengths,
    spread,
)
from mkgc.inspect.unknown_pieces import measure_vocabulary
from mkgc.relations.example import RelationExample
from mkgc.relations.source import look_at_spans
from tasks.mner import twitter
from tasks.mner.example import TaggedExample
from tasks.mner.source import TaggedSource, look_at_tags
from tasks.mre import mnre
from tasks.mre.data import RelationProcessor
from tasks.mre.source import RelationSource
from tests.made import made


def related(
    text: str, head: tuple[int, int] = (0, 1), tail: tuple[int, int] = (2, 3), label: str = "knows", image: str = ""
) -> Any:
    images = {"image": (Path(image),)} if image else {}
    return RelationExample("0", tuple(text.split()), Span(*head), Span(*tail), label, images)


def splits(train: Any, dev: Any = (), test: Any = ()) -> dict[str, list[Any]]:
    return {"train": [*train], "dev": [*dev], "test": [*test]}


def repeated(parts: dict[str, list[Any]]) -> Section:
    return find_overlap(compared(made(RelationSource, (), parts)))


def said(section: Section) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in section.findings]


def table(section: Section, title: str) -> list[tuple[Any, ...]]:
    return [row for t in section.tables if t.title == title for row in t.rows]


def test_the_same_words_with_other_mentions_are_the_same_text_but_another_example() -> None:
    found = repeated(splits([related("a b c d")], [related("a b c d", tail=(3, 4))]))
    assert ("of dev, also in train", 1, 1, 0, 0) in table(found, "Repetitions")
    assert said(found) == [
        (
            "warning",
            "of 1 examples of dev, train has 1 (same text), 0 (same text and mentions), "
            "0 (same text, mentions, labels and images)",
        )
    ]


def test_the_same_mentions_beside_another_image_or_with_another_label_are_another_example() -> None:
    one = related("a b c", label="knows", image="1.jpg")
    others = [related("a b c", label="likes", image="1.jpg"), related("a b c", label="knows", image="2.jpg")]
    found = repeated(splits([one], others))
    assert ("of dev, also in train", 2, 2, 2, 0) in table(found, "Repetitions")


def test_a_image_that_was_copied_into_another_folder_is_the_same_image() -> None:
    found = repeated(splits([related("a b c", image="x/1.jpg")], [related("a b c", image="y/1.jpg")]))
    assert ("of dev, also in train", 1, 1, 1, 1) in table(found, "Repetitions")


def test_a_test_split_that_is_in_train_altogether_is_fatal() -> None:
    one, two, three = related("a b c"), related("d e f"), related("g h i")
    severities = {text[:21]: severity for severity, text in said(repeated(splits([one, two], [], [two])))}
    assert severities == {"of 1 examples of test": "fatal"}
    severities = {text[:21]: severity for severity, text in said(repeated(splits([one], [], [one, two])))}
    assert severities == {"of 2 examples of test": "warning"}
    assert said(repeated(splits([one], [two], [three]))) == []


def test_a_test_split_equal_to_dev_is_no_reason_to_stop() -> None:
    found = repeated(splits([related("a b c")], [related("d e f")], [related("d e f")]))
    assert {severity for severity, _ in said(found)} == {"warning"}


def test_repetitions_inside_a_split_are_counted_from_the_second_on() -> None:
    found = repeated(splits([related("a b c")] * 3 + [related("d e f")]))
    assert ("twice in train", 4, 2, 2, 2) in table(found, "Repetitions")
    assert said(found) == [
        (
            "warning",
            "of 4 examples of train, 2 (same text), 2 (same text and mentions), "
            "2 (same text, mentions, labels and images) repeat an earlier one",
        )
    ]


def test_a_sentence_with_two_pairs_of_mentions_is_no_repetition_worth_a_word() -> None:
    assert said(repeated(splits([related("a b c d"), related("a b c d", tail=(3, 4))]))) == []


def test_a_label_that_train_never_shows_and_an_empty_split_are_named() -> None:
    source = made(RelationSource, ("knows", "likes"), splits([related("a b c")], [related("d e f", label="likes")]))
    assert said(count_labels(source, None)) == [
        ("fatal", "test has no example"),
        ("warning", "'likes' occurs in dev or test, but never in train"),
    ]


def test_counts_that_differ_from_the_published_ones_are_marked() -> None:
    source = made(RelationSource, ("None", "knows"), splits([related("a b c", label="None")]))
    found = count_labels(source, PUBLISHED["mnre"])
    assert ("None", 1, 0, 0, "7,744 / 1,000 / 974", "differs") in table(found, "Counts")
    assert ("knows", 0, 0, 0, None, None) in table(found, "Counts")
    assert ("warning", "sentences: found 1 / 0 / 0, published 12,247 / 1,624 / 1,614") in said(found)
    assert ("warning", "relations: found 2, published 23") in said(found)


def test_more_than_thirty_classes_are_summed_up() -> None:
    labels = tuple(f"r{i:02}" for i in range(40))
    source = made(RelationSource, labels, splits([related("a b c", label=label) for label in labels]))
    rows = table(count_labels(source, None), "Counts")
    assert rows[-1] == ("10 others", 10, 0, 0)
    assert len(rows) == 1 + 30 + 1


def test_what_is_over_the_limit_in_pieces_with_markers_and_boundaries_is_cut() -> None:
    def processor(limit: int) -> Processor:
        return RelationProcessor(learned(["a b c"], 50), ("knows",), DataSettings(".", max_length=limit))

    part = splits([related("a b c")])
    assert measure_lengths(part, processor(9)).tables[0].rows[:2] == (
        ("train", "words", 3, 3, 3, None),
        ("train", "pieces", 9, 9, 9, 0),  # three words, four markers, [CLS] and [SEP]
    )
    assert measure_lengths(part, processor(8)).tables[0].rows[1] == ("train", "pieces", 9, 9, 9, 1)


def test_the_size_of_the_vocabulary_and_the_share_of_unknown_pieces_are_said() -> None:
    texts = {"train": [[5, 6], [7]], "dev": [[5, 1], [1, 6]], "test": [[5] * 199 + [1]]}
    found = measure_vocabulary(learned(["a b c"], 50), texts)
    assert table(found, "Vocabulary") == [
        ("vocabulary", 8, None, None),
        ("train", 3, 0, 0.0),
        ("dev", 4, 2, 0.5),
        ("test", 200, 1, 0.005),
    ]
    assert said(found) == [
        ("warning", "2 of 4 pieces of dev (50.0%) are unknown to the tokeniser"),
        ("info", "1 of 200 pieces of test (0.5%) is unknown to the tokeniser"),
        (
            "info",
            "all 8 pieces of the vocabulary are single characters: with a larger task.vocab_size there would be longer "
            "ones",
        ),
    ]
    assert said(measure_vocabulary(learned(["ab ab abc"] * 9, 50), {})) == []


def test_lengths_are_given_by_median_ninetieth_percentile_and_maximum() -> None:
    assert spread([*range(1, 101)]) == (50, 90, 100)
    assert spread([]) == (None, None, None)


def test_mentions_overlap_when_they_share_a_word_not_when_they_touch() -> None:
    part = splits([related("a b c", (0, 2), (1, 3)), related("a b c", (0, 1), (1, 2))])
    found = look_at_spans(part)
    assert table(found, "Mentions")[0] == ("train", 1, 1)
    assert said(found) == [("info", "1 example of train has a head and a tail that overlap")]


def test_an_inside_tag_that_continues_nothing_is_counted_once() -> None:
    tags = ("O", "I-PER", "I-PER", "B-LOC", "I-PER")
    found = look_at_tags(splits([TaggedExample("0", tuple("abcde"), tags)]))
    assert table(found, "Tags") == [("train", 5, 2)]
    assert said(found) == [
        ("info", "2 I- tags of train continue no mention of their type; they are read as B-"),
    ]


def test_mnre_is_as_published(real: Any) -> None:
    root = real("mnre")
    parts = {split: mnre.read(root, split, ()) for split in SPLITS}
    counted = count_labels(made(RelationSource, mnre.read_labels(root), parts), PUBLISHED["mnre"])
    assert ("sentences", 12_247, 1_624, 1_614, "12,247 / 1,624 / 1,614", "equal") in table(counted, "Counts")
    assert ("/per/misc/race", 6, 1, 0, None, None) in table(counted, "Counts")
    assert counted.findings == ()
    rows = {row[0]: row[1:] for row in table(repeated(parts), "Repetitions")}
    assert rows["twice in train"][2] == 27
    assert rows["of test, also in train"][:2] == (1_614, 2)
    assert table(look_at_spans(parts), "Mentions") == [("train", 59, 104), ("dev", 3, 16), ("test", 5, 14)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shared", "repaired"), [("twitter2015", (2, 4, 3), (186, 53, 135)), ("twitter2017", (1, 0, 0), (0, 0, 0))]
)
def test_twitter_is_as_published(real: Any, name: Any, shared: Any, repaired: Any) -> None:
    root = real(name)
    parts = {split: twitter.read(root, split, ()) for split in SPLITS}
    source = made(TaggedSource, twitter.read_labels(root), parts)
    counted = count_labels(source, PUBLISHED[name])
    assert [row[-1] for row in table(counted, "Counts")] == ["equal"] * 5
    assert counted.findings == ()
    rows = table(find_overlap(compared(source)), "Repetitions")
    assert tuple(row[2] for row in rows[3:]) == shared  # dev and train, test and train, test and dev
    assert tuple(row[-1] for row in table(look_at_tags(parts), "Tags")) == repaired


@pytest.mark.parametrize(
    ("kind", "own"), [(RelationSource, "Mentions"), (TaggedSource, "Tags")], ids=["relations", "tags"]
)
def test_every_inspection_of_sentences_is_in_the_report_and_that_of_the_task_behind_them(kind: Any, own: Any) -> None:
    settings, processor = DataSettings("."), RelationProcessor(learned(["a b c"], 50), ("knows",), DataSettings("."))
    tagged = [TaggedExample("0", tuple("abc"), ("B-knows", "O", "O"))]
    parts = splits(*([[related("a b c")]] * 3 if kind is RelationSource else [tagged] * 3))
    source = made(kind, ("knows",), parts)
    dataset = Dataset(source, processor, {}, LoadedImages({}, {}), Coverage(()))
    titles = [t.title for section in source.inspect(dataset, settings, None) for t in section.tables if t.rows]
    assert titles == ["Counts", "Sizes", "Repetitions", "Lengths", "Vocabulary", own]
