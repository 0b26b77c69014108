"""What a tracker is shown of recorded predictions: some of them, as a reader says them, and what was confused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mkgc.analysis.predictions import Entity, Prediction
from mkgc.tracking.pictures import draw_confusion, draw_sheets, thumbnail
from mkgc.tracking.results import CLASSES, NONE, OTHERS, confused, shown
from mkgc.tracking.shown import SHOWN, Shown
from mkgc.tracking.text import tabled
from tests.conftest import paint


def relation(number: int, gold: str, predicted: str) -> Prediction:
    return Prediction(
        str(number), ("Ada", "saw", "Bob"), {"image": (f"{number}.png",)}, gold, predicted, 0.5, 0.5,
        (int(gold == predicted), 1, 1), {"head": "Ada", "tail": "Bob"},
    )  # fmt: skip


def mentions(words: str, gold: list[Entity], predicted: list[Entity]) -> Prediction:
    counts = (len({*gold} & {*predicted}), len(predicted), len(gold))
    return Prediction("7", tuple(words.split()), {}, tuple(gold), tuple(predicted), 0.5, 0.5, counts, {})


def test_a_bounded_number_is_shown_spread_over_all() -> None:
    found = shown([relation(i, "a", "b") for i in range(1000)], Path("root"))
    assert len(found) == SHOWN
    assert (found[0].id, found[-1].id) == ("0", "999")
    assert found[0].images == (Path("root/0.png"),)
    assert found[0].text == "Ada saw Bob | head: Ada | tail: Bob"


def test_mentions_are_said_by_their_words() -> None:
    (one,) = shown([mentions("Ada saw New York", [Entity("PER", 0, 1), Entity("LOC", 2, 4)], [])], Path())
    assert (one.gold, one.predicted, one.right) == ("PER Ada; LOC New York", NONE, False)


def test_relations_are_confused_one_with_another() -> None:
    found = confused([relation(0, "a", "a"), relation(1, "a", "b"), relation(2, "b", "b")])
    assert found is not None
    assert found.classes == ("a", "b")
    assert found.counts() == [[1, 1], [0, 1]]


def test_mentions_are_confused_where_their_words_are_the_same_and_missed_or_invented_elsewhere() -> None:
    gold, predicted = [Entity("PER", 0, 1), Entity("LOC", 2, 3)], [Entity("LOC", 0, 1), Entity("LOC", 4, 5)]
    found = confused([mentions("Ada saw Paris in Rome", gold, predicted)])
    assert found is not None
    assert found.classes == ("LOC", "PER", NONE)
    assert found.counts() == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]


def test_rare_classes_are_one() -> None:
    rows = [relation(i, f"c{i % 30:02}", "c00") for i in range(300)]
    found = confused(rows)
    assert found is not None
    assert len(found.classes) == CLASSES
    assert found.classes[-1] == OTHERS
    assert sum(map(sum, found.counts())) == 300
    assert confused([]) is None


def test_nothing_of_the_data_acts_in_what_is_shown() -> None:
    one = Shown("1", "<b>|x|</b> *y*", "[a](b)", "$x$ `y`", 0.5, ())
    table = tabled([one])
    assert len(table.splitlines()) == 3
    assert not {"<b>", "*y*", "[a]", "`y`"} & {*table.replace("|", " ").split()}
    assert draw_sheets([one])  # matplotlib would fail at a formula


def test_pictures_show_what_there_is(tmp_path: Path) -> None:
    paint(tmp_path / "0.png", "red")
    pixels = thumbnail(tmp_path / "0.png")
    assert pixels is not None
    assert pixels[0, 0] == pytest.approx(np.array([220, 30, 30]))
    assert thumbnail(tmp_path / "none.png") is None
    rows = shown([relation(i, "a", "$b") for i in range(13)], tmp_path)
    sheets = draw_sheets(rows)
    assert [sum(bool(axes.images) for axes in sheet.axes) for sheet in sheets] == [12, 1]
    found = confused([relation(0, "a", "a"), relation(1, "a", "$b_{"), relation(2, "b", "b")])
    assert found is not None
    figure = draw_confusion(found)
    figure.savefig(tmp_path / "confusion.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1", "1"]
