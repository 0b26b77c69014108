from pathlib import Path
from typing import Any

import pytest

from mkgc.data.formats import tsv
from mkgc.data.notes import note_graph

RING = [(f"e{i}", "near", f"e{(i + k) % 8}") for i in range(8) for k in (1, 3)]
"""Eight entities in a ring, one relation."""


def write(root: Path, train: list[Any], dev: list[Any] | None = None, test: list[Any] | None = None) -> Path:
    for split, rows in (("train", train), ("dev", dev or RING[12:14]), ("test", test or RING[14:])):
        (root / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return root


def said(root: Path) -> list[str]:
    graph = tsv.read(root)
    return [note.text for note in (*graph.notes, *note_graph(graph))]


def ordered(rows: list[Any], *order: int) -> list[Any]:
    return [tuple(row[i] for i in order) for row in rows]


def test_there_is_nothing_to_say_of_a_plain_graph(tmp_path: Path) -> None:
    assert said(write(tmp_path, RING[:12])) == []


@pytest.mark.parametrize(
    "titles",
    [
        "head relation tail",
        "Subject Predicate Object",
        "h r t",
        "S P O",
        "head_id rel :TAIL",
        "source edge target",
        "头实体 关系 尾实体",
    ],
)
def test_titles_of_columns_are_passed_over_and_said(tmp_path: Path, titles: str) -> None:
    write(tmp_path, [titles.split(), *RING[:12]])
    assert said(tmp_path) == ["train.tsv: its first line is titles of columns, no triple"]
    assert len(tsv.read(tmp_path).triples["train"]) == 12


def test_titles_that_are_not_known_are_a_warning(tmp_path: Path) -> None:
    rows = [["column_a", "column_b", "column_c"], *RING[:12]]
    (text,) = said(write(tmp_path, rows))
    assert text == (
        "nothing in the first triple of train ('column_a', 'column_b', 'column_c') occurs in any but first triples: "
        "if these are titles of columns, delete that line"
    )
    assert not said(write(tmp_path, RING[:12]))


@pytest.mark.parametrize("row", ["head has tail", "e1 r e2", "a r b", "the relation tail"])
def test_a_triple_that_only_looks_like_titles_is_a_triple(tmp_path: Path, row: str) -> None:
    write(tmp_path, [row.split(), *RING[:12]])
    assert len(tsv.read(tmp_path).triples["train"]) == 13


@pytest.mark.parametrize(("order", "values"), [((0, 2, 1), "6 of its 8"), ((1, 0, 2), "6 of its 6")])
def test_columns_in_another_order_are_a_warning(tmp_path: Path, order: tuple[int, ...], values: str) -> None:
    write(tmp_path, ordered(RING[:12], *order), ordered(RING[12:14], *order), ordered(RING[14:], *order))
    (text,) = [text for text in said(tmp_path) if "column" in text]
    said_of_train = f"the second column of train seems to hold entities ({values} values are heads or tails, too)"
    assert text == f"{said_of_train}: the order must be head, relation, tail"


def test_columns_in_another_order_are_seen_where_heads_and_tails_have_nothing_in_common(tmp_path: Path) -> None:
    bought = [(f"user{i}", f"item{(i + k) % 9}", "bought") for i in range(9) for k in (0, 2)]
    assert (
        "the second column of train seems to hold entities" in said(write(tmp_path, bought, bought[:1], bought[:1]))[0]
    )
    assert not [text for text in said(write(tmp_path, ordered(bought, 0, 2, 1))) if "column of train" in text]


def test_one_split_in_another_order_is_seen(tmp_path: Path) -> None:
    write(tmp_path, RING[:12], test=ordered(RING[14:], 0, 2, 1))
    assert said(tmp_path)[0] == (
        "the second column of test seems to hold entities (2 of its 2 values are heads or tails, too): "
        "the order must be head, relation, tail"
    )


def test_numbers_may_stand_for_entities_and_for_relations(tmp_path: Path) -> None:
    train = [("1", "1", "2"), ("2", "1", "3"), ("3", "2", "1")]
    assert said(write(tmp_path, train, [("1", "2", "3")], [("2", "2", "1")])) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rome", "rome"),
        ("New York", "New\u00a0York"),
        ("Zu\u0308rich", "Z\u00fcrich"),
        ("a", "a\u200b"),
        ("Rome", '"Rome"'),
    ],
)
def test_entities_that_a_reader_would_take_for_one_are_a_warning(tmp_path: Path, one: str, other: str) -> None:
    found = said(write(tmp_path, [*RING[:12], (one, "near", "e1"), (other, "near", "e2")]))
    assert found[0].startswith("1 of the entities differs from another one in case, spaces, quotation marks, invisible")
    assert found[0].endswith(f"as {other!a} from {one!a}: each stays one of its own")


def test_relations_have_twins_too(tmp_path: Path) -> None:
    assert said(write(tmp_path, [*RING[:12], ("e1", "Near", "e2")]))[0].startswith(
        "1 of the relations differs from another one"
    )


def test_quotation_marks_of_a_spreadsheet_are_said(tmp_path: Path) -> None:
    assert said(write(tmp_path, [*RING[:12], ('"New York"', "near", "e1")])) == [
        '1 name stands in quotation marks, which are kept as part of it, as "New York"'
    ]


def test_a_split_that_measures_nothing_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, RING[:12], dev=RING[:2], test=[("e1", "far", "e2"), ("e1", "far", "e2")])
    assert said(tmp_path) == [
        "every triple of dev is in train: it measures nothing",
        "1 of 2 triples of test repeats an earlier one, and counts as often",
        "2 triples of test have a relation that train does not, as 'far': nothing is learned of it",
    ]
