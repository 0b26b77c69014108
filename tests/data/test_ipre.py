"""IPRE: sentences that name two persons, their relations, and the bags of a pair."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mkgc.errors import DataError
from tasks.relation_classification import ipre

RELATIONS = "NA\t0\r\n朋友\t1\r\n老师\t2\r\n"
SENTENCES = "S1\t苏蕙\t窦滔\t窦滔 思念 苏蕙 ， 苏蕙 不知 。\nS2\t窦滔\t苏蕙\t窦滔 与 苏蕙\n"
LABELS = "S1\t1\nS2\t0\n"
BAGS = "B1\t苏蕙\t窦滔\tS1\t1\r\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "relation2id.txt").write_text(RELATIONS, encoding="utf-8", newline="")
    for split in ("train", "dev", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"sent_{split}.txt").write_text(SENTENCES, encoding="utf-8")
        (tmp_path / split / f"sent_relation_{split}.txt").write_text(LABELS)
        (tmp_path / split / f"bag_relation_{split}.txt").write_text(BAGS, encoding="utf-8", newline="")
    return tmp_path


def test_a_sentence_is_words_two_names_a_relation_and_its_bag(root: Path) -> None:
    assert [record for record, _ in ipre.records(root, "dev")] == [
        {
            "id": "S1",
            "tokens": ["窦滔", "思念", "苏蕙", "，", "苏蕙", "不知", "。"],
            "head": [2, 3],
            "tail": [0, 1],
            "relation": "朋友",
            "bag": "B1",
        },
        {
            "id": "S2",
            "tokens": ["窦滔", "与", "苏蕙"],
            "head": [0, 1],
            "tail": [2, 3],
            "relation": "NA",
            "bag": "窦滔\t苏蕙",
        },
    ]
    assert ipre.relations(root) == ("NA", "朋友", "老师")


def test_a_sentence_with_two_relations_stands_twice(root: Path) -> None:
    (root / "test" / "sent_relation_test.txt").write_text("S1\t1 2\nS2\t0\n")
    read = [(record["id"], record["relation"]) for record, _ in ipre.records(root, "test")]
    assert read == [("S1", "朋友"), ("S1", "老师"), ("S2", "NA")]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "dev/sent_dev.txt",
            "S1\t苏蕙\t窦滔\n",
            "sent_dev.txt:1: a line must be id, head, tail and sentence, between tabs",
        ),
        ("dev/sent_dev.txt", "S1\t苏蕙\t李白\t窦滔 与 苏蕙\n", "sent_dev.txt:1: '李白' is no word of the sentence"),
        (
            "dev/sent_relation_dev.txt",
            "S2\t0\n",
            "sent_dev.txt:1: sent_relation_dev.txt does not say how S1 is labelled",
        ),
        ("dev/sent_relation_dev.txt", "S1\tx\n", "sent_relation_dev.txt:1: relations must be numbers between spaces"),
        (
            "dev/sent_relation_dev.txt",
            "S1\t3\n",
            "sent_dev.txt:1: the relation 3 is not among the 3 of relation2id.txt",
        ),
        ("relation2id.txt", "NA\t0\n朋友\t2\n", "relation2id.txt:2: relations must be numbered 0, 1, 2, …"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(root: Path, file: str, text: str, said: str) -> None:
    (root / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        [*ipre.records(root, "dev")]
    assert said in str(error.value)


def test_labels_without_their_sentences_are_told_by_the_missing_file(root: Path) -> None:
    (root / "dev" / "sent_dev.txt").unlink()
    with pytest.raises(DataError, match=r"sent_dev\.txt: no such file"):
        [*ipre.records(root, "dev")]


def test_the_public_part_of_train_is_split_by_pairs(real: Callable[[str], Path]) -> None:
    root = real("ipre")
    splits = [[record for record, _ in ipre.subset_records(root, split)] for split in ("train", "dev", "test")]
    assert sum(map(len, splits)) == 34_748
    pairs = [{record["bag"] for record in part} for part in splits]
    assert len(set.union(*pairs)) == sum(map(len, pairs)) == 2_616
    assert [round(len(part) / 34_748, 2) for part in splits] == [0.8, 0.1, 0.1]
    counts = Counter(record["relation"] for part in splits for record in part)
    names = ipre.relations(root)
    assert (len(names), names[0]) == (35, "NA")
    assert (len(counts), counts[names[1]], counts[names[6]], counts["NA"]) == (17, 8_132, 69, 0)


def test_the_relations_of_a_bag_are_those_of_its_sentences(real: Callable[[str], Path]) -> None:
    root = real("ipre") / "dev"
    rows = (line.split("\t") for line in (root / "sent_relation_dev.txt").read_text("utf-8").splitlines())
    labels = {sentence: int(number) for sentence, number in rows}
    bags = ipre.read_bags(root / "bag_relation_dev.txt")
    assert (len(labels), sum(map(bool, labels.values()))) == (38_417, 1_085)
    assert (len(bags), sum(bag[4] != [0] for bag in bags)) == (5_416, 300)
    for _, _, _, sentences, numbers in bags:
        assert {*numbers} - {0} == {labels[sentence] for sentence in sentences} - {0}
