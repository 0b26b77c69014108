import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from torch import Tensor

from mkgc.metrics import EmptyMetricError, MetricError
from mkgc.metrics.ranking import RankingMetrics, Ranks, ranks

PYKEEN = {
    "mr": "arithmetic_mean_rank",
    "mrr": "inverse_harmonic_mean_rank",
    "hits@1": "hits_at_1",
    "hits@3": "hits_at_3",
    "hits@5": "hits_at_5",
    "hits@10": "hits_at_10",
    "amri": "adjusted_arithmetic_mean_rank_index",
}


def tied_queries(queries: int, entities: int = 40) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Scores of few distinct values, targets, and known answers that hold every other target."""
    scores = torch.randint(-4, 4, (queries, entities)).float() / 2
    rows = torch.arange(queries).repeat_interleave(9)
    known = rows, torch.randint(entities, (len(rows),))
    targets = torch.randint(entities, (queries,))
    targets[::2] = known[1][::18]
    return scores, targets, known


def counted_one_by_one(scores: Tensor, targets: Tensor, known: tuple[Tensor, Tensor]) -> list[tuple[int, ...]]:
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
    metric.update(ranks(torch.zeros(3, 101), torch.tensor([0, 50, 100])), "tail")
    assert metric.compute()["mr"] == 51
    assert metric.compute()["amri"] == 0


def test_infinite_scores_are_ranked_and_nan_is_refused() -> None:
    scores = torch.tensor([[torch.inf, 0.0, -torch.inf]] * 2)
    assert as_rows(ranks(scores, torch.tensor([1, 2]))) == [(2, 2, 3), (3, 3, 3)]
    scores[1, 0] = torch.nan
    with pytest.raises(MetricError, match=r"1 of 2 queries have NaN scores \(first: row 1"):
        ranks(scores, torch.tensor([1, 2]))


def test_ranks_and_measures_equal_those_of_pykeen_on_each_side_and_on_both() -> None:
    ours, theirs = RankingMetrics(), RankBasedEvaluator()
    for batch, side in enumerate(("head", "tail", "tail", "head", "tail")):
        scores, targets, known = tied_queries(30 + batch)
        found = ranks(scores, targets, known)
        ours.update(found, side)
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
    whole.update(found, "head")
    for metric, part in ((first, slice(0, 7)), (second, slice(7, 60))):
        metric.update(Ranks(found.optimistic[part], found.pessimistic[part], found.candidates[part]), "head")
    first.merge_state(second)
    assert first.compute() == pytest.approx(whole.compute(), rel=1e-12)


def test_a_side_that_was_not_asked_for_is_not_reported() -> None:
    metric = RankingMetrics()
    metric.update(ranks(torch.tensor([[1.0, 2.0]]), torch.tensor([0])), "tail")
    assert not [name for name in metric.compute() if name.startswith("head/")]


def test_a_target_without_competitors_has_no_chance_level() -> None:
    metric = RankingMetrics()
    metric.update(ranks(torch.tensor([[1.0]]), torch.tensor([0])), "tail")
    assert metric.compute()["mrr"] == 1
    assert "amri" not in metric.compute()


def test_nothing_ranked_is_an_error_and_not_a_number() -> None:
    metric = RankingMetrics()
    metric.update(ranks(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)), "head")
    with pytest.raises(EmptyMetricError, match="nothing was ranked"):
        metric.compute()
