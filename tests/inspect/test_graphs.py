from typing import Any

import numpy as np
import pytest

from mkgc.data.formats import kg
from mkgc.data.graph import Graph
from mkgc.inspect.graphs import (
    count_relations,
    find_leaks,
    find_unseen,
    inspect_graph,
    look_at_texts,
    measure_degrees,
)
from mkgc.inspect.published import PUBLISHED
from mkgc.inspect.report import Section, collect


def graph(train: Any, dev: Any = ((0, 0, 1),), test: Any = ((0, 0, 1),), **texts: Any) -> Graph:
    """Four entities and two relations; the texts of both are given by keyword."""
    fields: dict[str, Any] = {
        "names": ("Ada", "Bob", "Cyd", "Dan"),
        "descriptions": ("a", "b", "c", "d"),
        "relation_names": ("knows", "likes"),
    } | texts
    triples = {
        split: np.array(rows, dtype=np.int64).reshape(-1, 3)
        for split, rows in (("train", train), ("dev", dev), ("test", test))
    }
    return Graph(("a", "b", "c", "d"), relations=("r", "s"), images=({},) * 4, triples=triples, **fields)


def said(section: Section) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in section.findings]


def test_a_pair_that_train_has_the_other_way_round_is_a_leak() -> None:
    found = find_leaks(graph([(0, 0, 1), (2, 0, 3)], [(1, 1, 0), (3, 1, 0)], [(0, 1, 1)]))
    assert found.tables[0].rows == (
        ("train", 2, 0, None, None, None, None),
        ("dev", 2, 0, 0, 0.0, 1, 0.5),
        ("test", 1, 0, 1, 1.0, 0, 0.0),
    )
    assert said(found) == [
        (
            "warning",
            "1 of 2 pairs (h, t) of dev (50.0%) occurs in train as (t, h): "
            "turning triples of train around answers them",
        )
    ]


def test_few_reversed_pairs_are_a_remark() -> None:
    dev = [(1, 0, 0)] + [(2, 0, 3)] * 19
    assert said(find_leaks(graph([(0, 0, 1)], dev))) == [
        ("info", "1 of 20 pairs (h, t) of dev (5.0%) occurs in train as (t, h)")
    ]


def test_triples_of_an_entity_or_relation_that_train_lacks_are_counted_once() -> None:
    found = find_unseen(graph([(0, 0, 1)], [(2, 1, 3), (0, 0, 2)]))
    assert found.tables[0].rows == (("dev", 2, 1, 2, 1.0), ("test", 0, 0, 0, 0.0))
    assert said(found) == [("warning", "2 triples of dev name what train does not have: entities 2, relations 1")]


def test_texts_that_are_missing_short_or_shared_are_told_apart() -> None:
    found = look_at_texts(graph([(0, 0, 1)], names=("a", "Ada", "Ada", "Dan"), descriptions=("", "", "c", "d")))
    assert [row[:2] for row in found.tables[0].rows] == [
        ("entities without a text", 1),
        ("entities with a name only", 1),
        ("entities whose name others have, too", 2),
        ("relations whose text others have, too", 0),
    ]
    assert said(found) == [
        ("warning", "1 entity has no text: its id stands in for it"),
        ("info", "1 entity has a name, but no description"),
        ("info", "2 entities share 1 name: the text alone cannot tell them"),
    ]


def test_degrees_are_those_of_train() -> None:
    rows = measure_degrees(graph([(0, 0, 1), (0, 0, 2), (0, 1, 0)])).tables[0].rows
    assert rows == (("entity", 1, 1, 4, "Ada", 1), ("relation", 1, 1, 2, "r", 0))


def test_a_split_without_triples_and_a_test_split_inside_train_are_fatal() -> None:
    report = collect("", inspect_graph(graph([(0, 0, 1), (2, 1, 3)], [], [(2, 1, 3)]), None))
    assert report.fatal
    assert [finding.text for finding in report.findings if finding.severity == "fatal"] == [
        "dev has no triple",
        "of 1 examples of test, train has 1 (same triple): test measures nothing",
    ]


def read(real: Any, name: str) -> Graph:
    return kg.read(real(name), ())


@pytest.mark.slow
def test_fb15k237_is_as_published(real: Any) -> None:
    data = read(real, "fb15k237")
    assert count_relations(data, PUBLISHED["fb15k237_img"]).findings == ()
    assert find_leaks(data).tables[0].rows == (
        ("train", 272_115, 1_625, None, None, None, None),
        ("dev", 17_535, 90, 0, 0.0, 0, 0.0),
        ("test", 20_466, 91, 0, 0.0, 0, 0.0),
    )
    assert [row[:4] for row in find_unseen(data).tables[0].rows] == [("dev", 8, 0, 9), ("test", 29, 0, 28)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published", "reversed_pairs", "unseen"),
    [
        ("wn18", "wn18_img", (4_697, 4_698), [("dev", 0, 0, 0), ("test", 0, 0, 0)]),
        ("wn18rr", "wn18rr", None, [("dev", 198, 0, 210), ("test", 209, 0, 210)]),
    ],
)
def test_wordnet_is_as_published_and_leaks(
    real: Any, name: Any, published: Any, reversed_pairs: Any, unseen: Any
) -> None:
    data = read(real, name)
    assert count_relations(data, PUBLISHED[published]).findings == ()
    leaks = find_leaks(data).tables[0].rows
    assert leaks[2][5] == (1_095 if reversed_pairs is None else reversed_pairs[1])
    assert reversed_pairs is None or leaks[1][5] == reversed_pairs[0]
    assert [row[:4] for row in find_unseen(data).tables[0].rows] == unseen
