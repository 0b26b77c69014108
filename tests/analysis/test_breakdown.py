from typing import Any

import numpy as np
import pytest

from mkgc.analysis.breakdown import breakdown, changes, clean_subset, judged, relation_categories
from mkgc.analysis.queries import RECORD, Queries
from mkgc.data.formats import kg
from mkgc.metrics import MetricError

RELATIONS = ("capital", "child", "born in", "likes", "never")
CATEGORIES = ("1-1", "1-N", "N-1", "N-N", "unseen")


def ranked(*rows: tuple[int, int, int, int, int, float]) -> Queries:
    """Queries by head, relation, tail, side, images and rank, among ten candidates."""
    return Queries(np.array([(*row, 10) for row in rows], RECORD), RELATIONS, CATEGORIES, np.ones(len(rows), bool))


def test_a_relation_is_of_the_category_that_its_mean_numbers_of_partners_say() -> None:
    rows = [(0, 0, 1), (2, 0, 3)]
    rows += [(0, 1, t) for t in (1, 2, 3)]
    rows += [(h, 2, 0) for h in (1, 2, 3)]
    rows += [(h, 3, t) for h in (0, 1) for t in (2, 3)]
    assert relation_categories(np.array(rows), 5) == CATEGORIES


@pytest.mark.parametrize(("tails", "category"), [([2, 1], "1-N"), ([2, 1, 1], "1-1")])
def test_three_partners_of_two_are_many_and_fewer_are_not(tails: list[int], category: str) -> None:
    rows = [(head, 0, 10 * head + i) for head, count in enumerate(tails) for i in range(count)]
    assert relation_categories(np.array(rows), 1) == (category,)


def test_a_triple_that_is_repeated_is_no_second_partner() -> None:
    assert relation_categories(np.array([(0, 0, 1)] * 5), 1) == ("1-1",)


def test_without_triples_every_relation_is_unseen() -> None:
    assert relation_categories(np.empty((0, 3), np.int64), 2) == ("unseen", "unseen")


def test_a_pair_that_train_has_the_other_way_round_is_not_clean_whatever_its_relation() -> None:
    train = np.array([(0, 0, 1), (2, 1, 3), (4, 0, 4)])
    asked = np.array([(1, 1, 0), (0, 0, 1), (3, 1, 2), (4, 1, 4), (9, 0, 0)])
    assert clean_subset(asked, train).tolist() == [False, True, False, False, True]


def test_nothing_is_clean_or_not_where_there_is_nothing() -> None:
    none = np.empty((0, 3), np.int64)
    assert clean_subset(none, none).tolist() == []
    assert clean_subset(np.array([(0, 0, 1)]), none).tolist() == [True]


@pytest.mark.slow
def test_wn18_leaks_nearly_all_of_its_test_triples(real: Any) -> None:
    graph = kg.read(real("wn18"), ())
    clean = clean_subset(graph.triples["test"], graph.triples["train"])
    assert (len(clean), int((~clean).sum())) == (5000, 4698)


@pytest.mark.slow
def test_the_test_triples_of_public_graphs_fall_on_the_categories_as_published(real: Any) -> None:
    # Percentages of test triples by category: Vu et al. (2019), CapsE, figures 4 and 5.
    for name, published in {"wn18rr": (1.34, 15.16, 47.45, 36.06), "fb15k237": (0.94, 6.32, 22.03, 70.72)}.items():
        graph = kg.read(real(name), ())
        categories = np.array(relation_categories(graph.triples["train"], len(graph.relations)))
        found = categories[graph.triples["test"][:, 1]]
        shares = [100 * float((found == category).mean()) for category in ("1-1", "1-N", "N-1", "N-N")]
        assert shares == pytest.approx(published, abs=0.006)


def test_every_group_of_queries_has_its_measures_and_empty_ones_are_left_out() -> None:
    queries = ranked((0, 0, 1, 0, 0, 1), (0, 0, 1, 1, 0, 2), (0, 1, 2, 1, 2, 4), (1, 3, 2, 1, 2, 8))
    found = breakdown(queries)
    assert {kind: {name: one["mrr"] for name, one in groups.items()} for kind, groups in found.items()} == {
        "relation": {"capital": 0.75, "child": 0.25, "likes": 0.125},
        "category": {"1-1": 0.75, "1-N": 0.25, "N-N": 0.125},
        "side": {"head": 1.0, "tail": 0.875 / 3},
        "category/side": {"1-1/head": 1.0, "1-1/tail": 0.5, "1-N/tail": 0.25, "N-N/tail": 0.125},
        "images": {"none": 0.75, "both": 0.1875},
    }
    assert found["side"]["tail"] == queries.metrics(queries.table["side"] == 1)
    for groups in found.values():
        assert sum(one["count"] for one in groups.values()) == 4


def test_what_train_says_of_queries_is_their_relations_categories_and_which_are_clean() -> None:
    train = np.array([(0, 0, 1), (0, 0, 2), (0, 0, 3), (7, 1, 8)])
    asked = ranked((1, 1, 0, 0, 0, 1), (0, 0, 5, 1, 0, 2), (1, 1, 0, 1, 0, 4))
    queries = judged(asked.table, ("child", "capital"), train)
    assert (queries.categories, queries.clean.tolist()) == (("1-N", "1-1"), [False, True, False])
    leaks = breakdown(queries)["leak"]
    assert {name: (one["mrr"], one["count"]) for name, one in leaks.items()} == {
        "leaked": (0.625, 2),
        "clean": (0.5, 1),
    }


def test_a_run_that_reads_no_image_is_compared_by_those_that_the_other_saw() -> None:
    blind = ranked((0, 0, 1, 0, 0, 1), (0, 0, 1, 1, 0, 2), (0, 1, 2, 1, 0, 4))
    seeing = ranked((0, 0, 1, 0, 1, 1), (0, 0, 1, 1, 2, 1), (0, 1, 2, 1, 0, 4))
    one, other = (
        [tuple(c)[:2] for c in changes(*([run] for run in runs))["images"]]
        for runs in ((blind, seeing), (seeing, blind))
    )
    assert one == other == [("none", 1), ("own", 1), ("both", 1)]
    assert [c.difference for c in changes([blind], [seeing])["images"]] == [0, 0, 0.5]


def test_changes_are_of_the_first_runs_groups_and_weigh_by_their_queries() -> None:
    first = ranked((0, 0, 1, 0, 0, 1), (0, 0, 1, 1, 0, 2), (0, 1, 2, 1, 1, 4))
    second = ranked((0, 1, 2, 1, 0, 2), (0, 0, 1, 1, 0, 2), (0, 0, 1, 0, 0, 2))
    found = changes([first], [second])
    assert [tuple(change) for change in found["relation"]] == [
        ("capital", 2, 0.75, 0.5, -0.25),
        ("child", 1, 0.25, 0.5, 0.25),
    ]
    assert [change.weight for change in found["relation"]] == [0.5, 0.25]
    assert [change.group for change in found["images"]] == ["none", "own"]
    with pytest.raises(MetricError, match="^the runs ranked different queries: 3 and 1 of them$"):
        changes([first], [ranked((0, 0, 1, 0, 0, 1))])
