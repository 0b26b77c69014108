import numpy as np
import pytest

from mkgc.data.answers import Answers
from mkgc.errors import DataError

TAIL, HEAD = 1, 0
TRIPLES = np.array([[0, 0, 1], [0, 0, 2], [2, 1, 2], [0, 0, 1], [1, 1, 0]])
"""One comes twice, one is a loop."""

SIZE = 3, 2

Asked = tuple[int, int, int]


def brute_force(triples: np.ndarray) -> dict[Asked, list[int]]:
    found: dict[Asked, set[int]] = {}
    for head, relation, tail in triples.tolist():
        found.setdefault((head, relation, TAIL), set()).add(tail)
        found.setdefault((tail, relation, HEAD), set()).add(head)
    return {query: sorted(answers) for query, answers in found.items()}


def found(answers: Answers, asked: list[Asked]) -> list[list[int]]:
    pairs = answers.find(np.array(asked, dtype=np.int64).reshape(-1, 3))
    assert (np.diff(pairs[:, 0]) >= 0).all(), "the pairs are in the order of the queries"
    return [pairs[pairs[:, 0] == row, 1].tolist() for row in range(len(asked))]


def test_each_query_is_there_once_in_order_with_each_answer_once() -> None:
    answers = Answers.of([TRIPLES], SIZE)
    queries = answers.queries(np.arange(len(answers))).tolist()
    assert queries == [[0, 0, TAIL], [0, 1, HEAD], [1, 0, HEAD], [1, 1, TAIL], [2, 0, HEAD], [2, 1, HEAD], [2, 1, TAIL]]
    assert found(answers, [tuple(query) for query in queries]) == [[1, 2], [1], [0], [0], [0], [2], [2]]


def test_queries_may_be_asked_in_any_order_and_several_times() -> None:
    answers = Answers.of([TRIPLES], SIZE)
    assert found(answers, [(2, 1, TAIL), (0, 0, TAIL), (2, 1, TAIL)]) == [[2], [1, 2], [2]]
    assert found(answers, []) == []


def test_what_nothing_completes_has_no_answer_wherever_it_would_stand_in_the_order() -> None:
    answers = Answers.of([TRIPLES], SIZE)
    assert found(answers, [(0, 0, HEAD), (0, 0, TAIL), (1, 0, TAIL), (2, 0, TAIL)]) == [[], [1, 2], [], []]
    last = Answers.of([np.array([[0, 0, 0]])], SIZE)
    assert found(last, [(2, 1, TAIL), (0, 0, HEAD), (0, 0, TAIL)]) == [[], [0], [0]]


def test_an_index_of_nothing_finds_nothing() -> None:
    answers = Answers.of([np.empty((0, 3), np.int64)], SIZE)
    assert len(answers) == 0
    assert found(answers, [(0, 0, TAIL), (2, 1, HEAD)]) == [[], []]


def test_the_first_and_the_last_entity_and_relation_are_like_any_other() -> None:
    triples = np.array([[0, 0, 4], [4, 2, 0], [4, 2, 4], [0, 0, 0]])
    answers = Answers.of([triples], (5, 3))
    asked = [(0, 0, TAIL), (4, 2, TAIL), (4, 2, HEAD), (0, 0, HEAD), (4, 0, HEAD), (0, 2, HEAD)]
    assert found(answers, asked) == [[0, 4], [0, 4], [4], [0], [0], [4]]


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_have_the_answers_of_a_loop_over_their_triples(seed: int) -> None:
    random = np.random.default_rng(seed)
    entities, relations, count = random.integers([1, 1, 1], [9, 5, 60]).tolist()
    triples = random.integers([entities, relations, entities], size=(count, 3))
    expected = brute_force(triples)
    answers = Answers.of([triples[: count // 2], triples[count // 2 :]], (entities, relations))
    everything = [(e, r, side) for e in range(entities) for r in range(relations) for side in (TAIL, HEAD)]
    assert found(answers, everything) == [expected.get(query, []) for query in everything]
    assert {tuple(query) for query in answers.queries(np.arange(len(answers))).tolist()} == set(expected)


@pytest.mark.parametrize("seed", range(10))
def test_an_index_for_some_queries_has_all_their_answers_and_no_other_query(seed: int) -> None:
    random = np.random.default_rng(seed)
    train, dev = (random.integers([6, 2, 6], size=(count, 3)) for count in (40, 5))
    asked, whole = Answers.of([dev], (6, 2)), Answers.of([train, dev], (6, 2))
    known = Answers.of([train, dev], (6, 2), only=asked)
    assert known.keys.tolist() == asked.keys.tolist()
    queries = asked.queries(np.arange(len(asked)))
    assert known.find(queries).tolist() == whole.find(queries).tolist()


def test_a_graph_with_more_possible_triples_than_numbers_is_refused() -> None:
    triples = np.array([[0, 0, 1]])
    Answers.of([triples], (1 << 27, 1 << 7))
    reason = "^134217728 entities and 256 relations are too many to number all triples$"
    with pytest.raises(DataError, match=reason):
        Answers.of([triples], (1 << 27, 1 << 8))


def test_the_largest_numbers_of_the_largest_graph_do_not_overflow() -> None:
    entities, relations = 1 << 27, 1 << 7
    last = [entities - 1, relations - 1, entities - 1]
    answers = Answers.of([np.array([last, [0, 0, entities - 1]])], (entities, relations))
    asked = [(entities - 1, relations - 1, TAIL), (entities - 1, relations - 1, HEAD), (entities - 1, 0, HEAD)]
    assert found(answers, asked) == [[entities - 1], [entities - 1], [0]]
