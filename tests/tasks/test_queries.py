"""The three kinds of examples, one by one and as batches."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.answers import QueryRows
from mkgc.data.dataset import read_dataset
from mkgc.data.graph import Graph
from mkgc.errors import ConfigError, DataError
from mkgc.images.loaded import LoadedImages
from mkgc.training.checkpoint import build_task
from tasks.link_prediction.batch import TripleBatch, target_of
from tasks.link_prediction.processor import TripleProcessor
from tasks.link_prediction.queries import QuerySet, query_sets

TRAIN = np.array([[0, 0, 1], [0, 0, 2], [1, 1, 0]])
DEV = np.array([[0, 0, 3]])
TEST = np.array([[0, 0, 0], [2, 1, 2]])
SIZE = 4, 2


class Processor(TripleProcessor):
    """Of no settings; the lengths tell which queries were asked for."""

    def __init__(self) -> None:
        pass

    def lengths(self, asked: QueryRows) -> np.ndarray:
        return asked @ np.array([100, 10, 1])


@dataclass(frozen=True)
class Question:
    anchor: int
    relation: int
    target: str
    targets: tuple[int, ...]
    known: tuple[int, ...] = ()


def questions(examples: QuerySet) -> list[Question]:
    return [Question(i.anchor, i.relation, i.target, i.targets, i.known) for i in examples]


def train(examples: str) -> QuerySet:
    return QuerySet(Processor(), TRAIN, SIZE, examples=examples)


def graph() -> Graph:
    ids, relations = ("a", "b", "c", "d"), ("r", "s")
    splits = {"train": TRAIN, "dev": DEV, "test": TEST}
    return Graph(ids, ids, ("",) * 4, relations, relations, ({},) * 4, splits)


def test_queries_are_distinct_and_have_all_their_answers() -> None:
    assert questions(train("queries")) == [
        Question(0, 0, "tail", (1, 2)),
        Question(0, 1, "head", (1,)),
        Question(1, 0, "head", (0,)),
        Question(1, 1, "tail", (0,)),
        Question(2, 0, "head", (0,)),
    ]


def test_triples_are_asked_for_both_sides_and_have_their_own_answer() -> None:
    assert questions(train("triples")) == [
        Question(0, 0, "tail", (1,)),
        Question(0, 0, "tail", (2,)),
        Question(1, 1, "tail", (0,)),
        Question(1, 0, "head", (0,)),
        Question(2, 0, "head", (0,)),
        Question(0, 1, "head", (1,)),
    ]


def test_repeated_queries_are_those_of_the_triples_with_all_answers() -> None:
    alone, repeated = questions(train("triples")), questions(train("repeated"))
    assert [(q.anchor, q.relation, q.target) for q in repeated] == [(q.anchor, q.relation, q.target) for q in alone]
    assert [q.targets for q in repeated] == [(1, 2), (1, 2), (0,), (0,), (0,), (1,)]


def test_dev_leaves_out_what_train_and_itself_know_and_test_what_all_do() -> None:
    sets = query_sets(graph(), Processor(), "strict", "queries")
    assert questions(sets["dev"])[0] == Question(0, 0, "tail", (3,), (1, 2, 3))
    assert questions(sets["test"])[0] == Question(0, 0, "head", (0,), (0,))
    assert questions(sets["test"])[1] == Question(0, 0, "tail", (0,), (0, 1, 2, 3))
    paper = query_sets(graph(), Processor(), "paper", "queries")
    assert questions(paper["dev"])[0] == Question(0, 0, "tail", (3,), (0, 1, 2, 3))


@pytest.mark.parametrize("kind", ["queries", "repeated", "triples"])
def test_dev_and_test_ask_the_same_whatever_the_examples_of_training(kind: str) -> None:
    sets, plain = (query_sets(graph(), Processor(), "strict", each) for each in (kind, "queries"))
    assert [questions(sets[s]) for s in ("dev", "test")] == [questions(plain[s]) for s in ("dev", "test")]
    assert questions(sets["train"]) == questions(train(kind))


@pytest.mark.parametrize("kind", ["queries", "repeated", "triples"])
def test_a_batch_says_what_its_items_say_in_the_order_they_were_asked_for(kind: str) -> None:
    examples, rows = train(kind), [4, 0, 2, 0]
    batch = examples.processor.collate(examples.__getitems__(rows), LoadedImages({}, {}))
    assert isinstance(batch, TripleBatch)
    features = [examples[row] for row in rows]
    assert batch.anchor.tolist() == [item.anchor for item in features]
    assert batch.relation.tolist() == [item.relation for item in features]
    assert [target_of(tail) for tail in batch.tail.tolist()] == [item.target for item in features]
    assert batch.targets.tolist() == [[n, e] for n, item in enumerate(features) for e in item.targets]
    assert batch.known.shape == batch.filtered.shape == (0, 2)
    assert batch.anchor.dtype == batch.targets.dtype == torch.long


def test_each_target_is_ranked_without_all_known_answers_of_its_query() -> None:
    features = query_sets(graph(), Processor(), "strict", "queries")["test"]
    batch = features.processor.collate(features[:], LoadedImages({}, {}))
    expected = [
        (n, e) for n, (query, _) in enumerate(batch.targets.tolist()) for q, e in batch.known.tolist() if q == query
    ]
    assert list(map(tuple, batch.filtered.tolist())) == expected
    assert len(expected) > len(batch.targets)


@pytest.mark.parametrize("kind", ["queries", "repeated", "triples"])
def test_every_right_answer_makes_a_triple_of_the_split(kind: str) -> None:
    random = np.random.default_rng(3)
    triples = random.integers([7, 3, 7], size=(50, 3))
    examples = QuerySet(Processor(), triples, (7, 3), examples=kind)
    batch = examples.processor.collate(examples.__getitems__(range(len(examples))), LoadedImages({}, {}))
    made = {tuple(triple) for triple in batch.triples(batch.targets).tolist()}
    assert made == {tuple(triple) for triple in triples.tolist()}
    assert {bool(tail) for tail in batch.tail} == {True, False}


def test_examples_are_a_sequence_from_either_end() -> None:
    examples = train("triples")
    assert (len(examples), examples[-1]) == (6, examples[5])
    assert examples[1:5:2] == [examples[1], examples[3]]
    assert examples[::-1] == [examples[row] for row in range(5, -1, -1)]
    assert examples[9:] == []
    with pytest.raises(IndexError):
        examples[6]


def test_lengths_are_of_each_query_however_many_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [100 * q.anchor + 10 * q.relation + (q.target == "tail") for q in questions(train("triples"))]
    for part in (1, 4, 6, 100):
        monkeypatch.setattr("tasks.link_prediction.queries.PART", part)
        assert train("triples").lengths.tolist() == expected


def test_other_kinds_of_examples_are_refused() -> None:
    with pytest.raises(ConfigError, match="^task.data.examples=pairs: choose queries, repeated or triples$"):
        query_sets(graph(), Processor(), "strict", "pairs")


def test_what_is_too_large_to_be_numbered_is_refused_before_training() -> None:
    with pytest.raises(DataError, match="are too many to number all triples"):
        QuerySet(Processor(), DEV, (1 << 40, 2), [TRAIN, DEV])


@pytest.mark.parametrize("most", [1, 20, 100, 1 << 25])
def test_no_more_scores_are_made_at_a_time_than_the_bound_and_ranks_do_not_depend_on_it(
    most: int, kg_root: Path, tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kge/distmult")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    batch = task.processor.collate(dataset.features["dev"][:], dataset.store)
    whole, parts, made = task.make_metric(), task.make_metric(), []
    task.update_metric(batch, whole)
    monkeypatch.setattr("tasks.link_prediction.chunks.AT_ONCE", most)
    monkeypatch.setattr("tasks.link_prediction.chunks.CACHED", most)
    against = task.score_candidates
    monkeypatch.setattr(task, "score_candidates", lambda *asked: made.append(against(*asked)) or made[-1])
    task.update_metric(batch, parts)
    assert parts.compute() == whole.compute()
    asked, entities = len(batch.targets), len(dataset.processor.entities)
    assert max(scores.numel() for scores in made) <= max(most, asked)
    assert sum(scores.shape[1] for scores in made) == entities * (1 if asked * entities <= most else 2)
