from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from torch import Tensor

from mkgc.analysis.queries import PICTURES, RECORD, Queries, record
from mkgc.errors import ConfigError, DataError
from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.ranking import RankingMetrics, Ranks, filter_splits, ranks, ranks_by_chunks

PYKEEN = {
    "mr": "arithmetic_mean_rank",
    "mrr": "inverse_harmonic_mean_rank",
    "hits@1": "hits_at_1",
    "hits@3": "hits_at_3",
    "hits@5": "hits_at_5",
    "hits@10": "hits_at_10",
    "amri": "adjusted_arithmetic_mean_rank_index",
}


def of_side(found: Ranks, side: str) -> Tensor:
    """Which of some queries for one side ask for the tail: all or none."""
    return torch.full_like(found.broken, side == "tail")


def update(metric: RankingMetrics, found: Ranks, side: str) -> None:
    metric.update(found, of_side(found, side))


def refuses(found: Ranks, message: str) -> None:
    metric = RankingMetrics()
    update(metric, found, "tail")
    with pytest.raises(MetricError, match=message):
        metric.compute()


def tied_queries(queries: int, entities: int = 40) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Scores of few distinct values, targets, and known answers that hold every other target."""
    scores = torch.randint(-4, 4, (queries, entities)).float() / 2
    rows = torch.arange(queries).repeat_interleave(9)
    known = rows, torch.randint(entities, (len(rows),))
    targets = torch.randint(entities, (queries,))
    targets[::2] = known[1][::18]
    return scores, targets, known


def counted_one_by_one(scores: Tensor, targets: Tensor, known: tuple[Tensor, Tensor]) -> list[Any]:
    answers = set(zip(*(index.tolist() for index in known), strict=True))
    out = []
    for b, target in enumerate(targets.tolist()):
        rivals = [s for e, s in enumerate(scores[b].tolist()) if e != target and (b, e) not in answers]
        above = sum(s > float(scores[b, target]) for s in rivals)
        level = sum(s == float(scores[b, target]) for s in rivals)
        out.append((above + 1, above + level + 1, len(rivals) + 1))
    return out


def as_rows(found: Ranks) -> list[tuple[int, ...]]:
    columns = (found.optimistic, found.pessimistic, found.candidates)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_ranks_are_those_of_a_loop_over_all_candidates() -> None:
    queries = tied_queries(50)
    assert as_rows(ranks(*queries)) == counted_one_by_one(*queries)


def test_without_known_answers_every_entity_is_a_candidate() -> None:
    found = ranks(torch.tensor([[0.1, 0.9, 0.5, 0.5]]), torch.tensor([2]))
    assert as_rows(found) == [(2, 3, 4)]
    assert found.realistic.tolist() == [2.5]


def test_known_answers_other_than_the_target_leave_the_ranking() -> None:
    scores, target = torch.tensor([[0.1, 0.9, 0.5, 0.7]]), torch.tensor([2])
    known = torch.tensor([0, 0, 0]), torch.tensor([1, 2, 1])
    assert as_rows(ranks(scores, target, known)) == [(2, 2, 3)]


def test_ranking_leaves_the_scores_as_they_were() -> None:
    scores, targets, known = tied_queries(5)
    before = scores.clone()
    ranks(scores, targets, known)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shifting_all_scores_leaves_the_ranks(dtype: torch.dtype) -> None:
    scores, targets, known = tied_queries(50)
    shifted = ranks(scores.to(dtype) + 8, targets, known)
    assert as_rows(shifted) == as_rows(ranks(scores, targets, known))


def test_each_further_tie_moves_the_realistic_rank_by_one_half() -> None:
    scores = torch.full((4, 6), -1.0)
    for ties in range(4):
        scores[ties, 1 : 1 + ties] = 0.0
    scores[:, 0] = 0.0
    found = ranks(scores, torch.zeros(4, dtype=torch.long))
    assert found.realistic.tolist() == [1.0, 1.5, 2.0, 2.5]


def test_a_model_that_scores_all_alike_gains_nothing() -> None:
    metric = RankingMetrics()
    update(metric, ranks(torch.zeros(3, 101), torch.tensor([0, 50, 100])), "tail")
    assert metric.compute()["mr"] == 51
    assert metric.compute()["amri"] == 0


def test_infinite_scores_are_ranked_and_nan_is_refused() -> None:
    scores = torch.tensor([[torch.inf, 0.0, -torch.inf]] * 2)
    assert as_rows(ranks(scores, torch.tensor([1, 2]))) == [(2, 2, 3), (3, 3, 3)]
    scores[1, 0] = torch.nan
    refuses(ranks(scores, torch.tensor([1, 2])), "^1 of 2 queries have NaN scores, which have no rank: the model has")


def test_ranks_and_measures_equal_those_of_pykeen_on_each_side_and_on_both() -> None:
    ours, theirs = RankingMetrics(), RankBasedEvaluator()
    for batch, side in enumerate(("head", "tail", "tail", "head", "tail")):
        scores, targets, known = tied_queries(30 + batch)
        found = ranks(scores, targets, known)
        update(ours, found, side)
        true = scores.gather(1, targets[:, None])
        filtered = scores.index_put(known, torch.tensor(torch.nan)).scatter(1, targets[:, None], true)
        theirs.process_scores_(torch.zeros(len(scores), 3).long(), side, filtered, true)
        for kind in ("optimistic", "realistic", "pessimistic"):
            assert getattr(found, kind).tolist() == theirs.ranks[side, kind][-1].tolist()
        assert found.candidates.tolist() == theirs.num_candidates[side][-1].tolist()
    for side_ranks in theirs.ranks.values():  # PyKEEN would average in single precision
        side_ranks[:] = [part.astype(float) for part in side_ranks]
    expected, measures = theirs.finalize(), ours.compute()
    for side, prefix in {"both": "", "head": "head/", "tail": "tail/"}.items():
        for name, key in PYKEEN.items():
            value = expected.get_metric(f"{side}.realistic.{key}")
            assert measures[prefix + name] == pytest.approx(value, rel=1e-12), prefix + name
    assert (measures["count"], measures["head/count"], measures["tail/count"]) == (160, 63, 97)


def test_measures_do_not_depend_on_how_queries_fall_on_batches_and_devices() -> None:
    found = ranks(*tied_queries(60))
    whole, first, second = RankingMetrics(), RankingMetrics(), RankingMetrics()
    update(whole, found, "head")
    for metric, part in ((first, slice(0, 7)), (second, slice(7, 60))):
        update(metric, Ranks(*(column[part] for column in vars(found).values())), "head")
    first.merge_state(second)
    assert first.compute() == pytest.approx(whole.compute(), rel=1e-12)


def test_a_side_that_was_not_asked_for_is_not_reported() -> None:
    metric = RankingMetrics()
    update(metric, ranks(torch.tensor([[1.0, 2.0]]), torch.tensor([0])), "tail")
    assert not [name for name in metric.compute() if name.startswith("head/")]


def test_a_target_without_competitors_has_no_chance_level() -> None:
    metric = RankingMetrics()
    update(metric, ranks(torch.tensor([[1.0]]), torch.tensor([0])), "tail")
    assert metric.compute()["mrr"] == 1
    assert "amri" not in metric.compute()


def test_nothing_ranked_is_an_error_and_not_a_number() -> None:
    metric = RankingMetrics()
    update(metric, ranks(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)), "head")
    with pytest.raises(EmptyMetricError, match="nothing was ranked"):
        metric.compute()


def recorded(queries: int = 60) -> tuple[Queries, RankingMetrics]:
    """The same ranks as a record and as sums; every triple is asked for both sides."""
    metric, parts = RankingMetrics(), []
    triples = torch.stack([torch.arange(queries), torch.arange(queries) % 3, torch.arange(queries) + 1], 1)
    for side in ("tail", "head"):
        found = ranks(*tied_queries(queries))
        update(metric, found, side)
        parts.append(record(found, triples, of_side(found, side), np.zeros(queries + 1, bool)))
    clean = np.arange(2 * queries) % 4 > 0
    return Queries(np.concatenate(parts), ("r", "s", "t"), ("1-1", "N-N", "unseen"), clean), metric


def test_a_record_has_the_measures_of_the_sums_over_all_and_on_each_side() -> None:
    queries, metric = recorded()
    sums = metric.compute()
    assert queries.metrics() == pytest.approx({k: v for k, v in sums.items() if "/" not in k}, rel=1e-12)
    for number, side in enumerate(("head", "tail")):
        part = {k.removeprefix(f"{side}/"): v for k, v in sums.items() if k.startswith(side)}
        assert queries.metrics(queries.table["side"] == number) == pytest.approx(part, rel=1e-12)
    with pytest.raises(EmptyMetricError, match="there is no such query"):
        queries.metrics(np.zeros(120, bool))


def test_a_query_has_own_images_if_what_it_shows_has_and_both_if_the_answer_has_too() -> None:
    imaged = np.array([True, True, False, False])
    triples = torch.tensor([[0, 0, 1], [0, 0, 2], [2, 0, 0], [2, 0, 3]])
    found = Ranks(*(torch.ones(4, dtype=torch.long),) * 3, torch.zeros(4, dtype=torch.bool))
    said = {
        side: [PICTURES[i] for i in record(found, triples, of_side(found, side), imaged)["images"]]
        for side in ("tail", "head")
    }
    assert said == {"tail": ["both", "own", "none", "none"], "head": ["both", "none", "own", "none"]}


def test_a_record_survives_its_file_and_leaves_no_other_beside_it(tmp_path: Path) -> None:
    queries, path = recorded()[0], tmp_path / "queries.npz"
    for _ in range(2):
        queries.save(path)
    again = Queries.load(path)
    assert again.table.dtype == RECORD
    assert again.table.tobytes() == queries.table.tobytes()
    assert (again.relations, again.categories) == (queries.relations, queries.categories)
    assert again.clean.tolist() == queries.clean.tolist()
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_without_a_record_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "queries.npz"
    with pytest.raises(DataError, match=f"{path}: is not there: no ranked queries were recorded"):
        Queries.load(path)
    whole = tmp_path / "whole.npz"
    recorded()[0].save(whole)
    for content in (b"", b"text", whole.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{path}: holds no ranked queries: record them anew"):
            Queries.load(path)
    np.savez(path, table=np.array([{}]), relations=[], categories=[], clean=[])
    with pytest.raises(DataError, match="holds no ranked queries"):
        Queries.load(path)
    one, none, texts = np.zeros(1, RECORD), np.zeros(0, RECORD), np.array([], str)
    for parts in (
        {"table": one, "relations": texts, "categories": texts, "clean": np.ones(1, bool)},
        {"table": none, "relations": texts, "categories": texts, "clean": np.ones(1, bool)},
        {"table": none, "relations": texts, "categories": texts},  # as written before leaks were marked
    ):
        np.savez(path, **parts)
        with pytest.raises(DataError, match="holds ranked queries of another form: record them anew"):
            Queries.load(path)


def test_queries_are_ordered_triple_by_triple_whatever_the_order_they_were_ranked_in() -> None:
    queries = recorded()[0]
    shuffled = queries.chosen(torch.randperm(120).numpy())
    assert shuffled.ordered().clean.tolist() == queries.ordered().clean.tolist()
    assert shuffled.ordered().table.tobytes() == queries.ordered().table.tobytes()
    assert shuffled.ordered().table["side"].tolist() == [0, 1] * 60
    assert shuffled.ordered().triples[:4].tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 2], [1, 1, 2]]


def test_dev_learns_from_test_what_to_leave_out_only_under_the_papers_protocol() -> None:
    whole = ("train", "dev", "test")
    assert filter_splits("strict", "dev") == ("train", "dev")
    assert [filter_splits(p, s) for p, s in (("strict", "test"), ("paper", "dev"), ("paper", "test"))] == [whole] * 3
    assert filter_splits("paper", "train") == filter_splits("strict", "train") == ("train",)
    with pytest.raises(ConfigError, match="^protocol=loose: choose strict, paper$"):
        filter_splits("loose", "dev")
    with pytest.raises(ConfigError, match="^split=valid: choose train, dev, test$"):
        filter_splits("paper", "valid")


def chunked(scores: Tensor, size: int) -> tuple[Callable[[slice], Tensor], list[slice]]:
    """Scores by columns, and the chunks that hold so many of them each."""
    count = scores.shape[1]
    return lambda chunk: scores[:, chunk], [slice(i, min(i + size, count)) for i in range(0, count, size)]


@pytest.mark.parametrize("size", [1, 2, 7, 39, 40, 100])
def test_chunks_of_any_size_give_the_ranks_of_all_scores_at_once(size: int) -> None:
    scores, targets, known = tied_queries(50)
    excluded = torch.randperm(40)[:6]
    expected = as_rows(ranks(scores, targets, known, excluded))
    assert as_rows(ranks_by_chunks(*chunked(scores, size), targets, known, excluded)) == expected
    assert as_rows(ranks_by_chunks(*chunked(scores, size), targets)) == as_rows(ranks(scores, targets))


def test_chunks_need_not_be_of_one_size() -> None:
    scores, targets, known = tied_queries(20)
    parts = [slice(0, 1), slice(1, 30), slice(30, 40)]
    found = ranks_by_chunks(lambda chunk: scores[:, chunk], parts, targets, known)
    assert as_rows(found) == as_rows(ranks(scores, targets, known))


def test_ties_with_a_target_count_in_whatever_chunk_they_are() -> None:
    scores = torch.tensor([[5.0, 1.0, 5.0, 0.0, 7.0, 5.0]])
    for size in range(1, 7):
        for target in (0, 2, 5):
            assert as_rows(ranks_by_chunks(*chunked(scores, size), torch.tensor([target]))) == [(2, 4, 6)]


def test_a_known_answer_leaves_the_ranking_in_whatever_chunk_it_is() -> None:
    scores, target = torch.tensor([[0.1, 0.9, 0.5, 0.7]]), torch.tensor([2])
    known = torch.tensor([0, 0, 0]), torch.tensor([1, 2, 1])
    for size in range(1, 5):
        assert as_rows(ranks_by_chunks(*chunked(scores, size), target, known)) == [(2, 2, 3)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
def test_entities_that_are_left_out_are_no_rivals_but_a_target_among_them_is_ranked(size: int) -> None:
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.9]] * 3)
    excluded = torch.tensor([5, 0])
    found = ranks_by_chunks(*chunked(scores, size), torch.tensor([1, 0, 4]), None, excluded)
    assert as_rows(found) == [(1, 1, 4), (1, 1, 5), (4, 4, 4)]


def test_nothing_left_out_is_as_if_none_were_said() -> None:
    scores, targets, known = tied_queries(10)
    nothing = torch.empty(0, dtype=torch.long)
    assert as_rows(ranks(scores, targets, known, nothing)) == as_rows(ranks(scores, targets, known))


@pytest.mark.parametrize("column", [0, 4, 9])
def test_a_score_that_is_no_number_is_refused_in_whatever_chunk_it_is(column: int) -> None:
    scores, targets = torch.randn(3, 10), torch.tensor([0, 5, 9])
    scores[1, column] = torch.nan
    for size in (1, 3, 10):
        refuses(ranks_by_chunks(*chunked(scores, size), targets), "^1 of 3 queries have NaN scores")


def test_what_is_left_out_or_known_must_be_a_number_too() -> None:
    scores, target = torch.tensor([[0.1, torch.nan, 0.5]]), torch.tensor([0])
    for size in (1, 3):
        refuses(ranks_by_chunks(*chunked(scores, size), target, None, torch.tensor([1])), "have NaN scores")


def test_a_single_chunk_is_scored_once_and_several_twice_and_none_is_changed() -> None:
    scores, targets, known = tied_queries(5)
    before, asked = scores.clone(), Counter[int]()

    def score(chunk: slice) -> Tensor:
        asked[chunk.start] += 1
        return scores[:, chunk]

    ranks_by_chunks(score, [slice(0, 40)], targets, known)
    assert asked == {0: 1}
    asked.clear()
    ranks_by_chunks(score, [slice(0, 25), slice(25, 40)], targets, known)
    assert asked == {0: 2, 25: 2}
    assert torch.equal(scores, before)
