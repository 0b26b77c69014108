from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mkgc.analysis.confidence import MEASURES, compare, intervals, pooled
from mkgc.analysis.queries import RECORD, Queries
from mkgc.metrics import EmptyMetricError, MetricError


def asked(ranks: Any, sides: int = 1) -> Queries:
    """Queries with these ranks, ``sides`` of them in a row from one triple."""
    table = np.zeros(len(ranks), RECORD)
    table["head"], table["side"] = np.divmod(np.arange(len(ranks)), sides)
    table["rank"], table["candidates"] = ranks, 1000
    return Queries(table, ("r",), ("N-N",), np.ones(len(table), bool))


def drawn(count: int, seed: int = 0, scale: float = 2.0) -> Any:
    """Ranks as models have them: many first places, a long tail."""
    return np.floor(np.exp(np.random.default_rng(seed).exponential(scale, count)))


def test_measures_are_those_of_the_queries() -> None:
    queries = asked(drawn(100))
    ranking_metrics = queries.metrics()
    for name, interval in intervals(queries, 50).items():
        assert interval.value == pytest.approx(ranking_metrics[name], rel=1e-12)
        assert interval.low <= interval.value <= interval.high


def test_intervals_are_those_of_scipy() -> None:
    ranks = drawn(80)
    found = intervals(asked(ranks), 5000)
    values = {"mr": ranks, "mrr": 1 / ranks, **{f"hits@{k}": ranks <= k for k in (1, 3, 5, 10)}}
    assert tuple(found) == tuple(values) == MEASURES.names
    for name, value in values.items():
        sample = (value.astype(float),)
        result = stats.bootstrap(sample, np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(1))
        low, high = result.confidence_interval
        step = 0 if name in ("mr", "mrr") else 1.001 / len(ranks)  # hits are whole numbers of queries
        assert found[name][1:] == pytest.approx((low, high), abs=max(step, 0.05 * (high - low)))


@pytest.mark.parametrize("sides", [1, 2])
def test_intervals_hold_the_truth_as_often_as_they_say_also_where_both_sides_of_a_triple_agree(sides: int) -> None:
    truth, held = float((1 / drawn(2_000_000)).mean()), 0
    for seed in range(300):
        queries = asked(np.repeat(drawn(150, seed + 1), sides), sides)
        interval = intervals(queries, 300, seed)["mrr"]
        held += interval.low <= truth <= interval.high
    assert 0.92 <= held / 300 <= 0.975


def test_a_narrower_level_gives_a_narrower_interval_inside() -> None:
    wide, narrow = (intervals(asked(drawn(100)), 500, level=level)["mrr"] for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_intervals_depend_on_the_seed_alone_and_not_on_the_order_or_how_much_is_drawn_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries = asked(drawn(100), 2)
    expected = intervals(queries, 200, 3)
    shuffled = queries.chosen(np.random.default_rng(0).permutation(100))
    assert intervals(shuffled, 200, 3) == expected
    assert intervals(queries, 200, 4) != expected
    monkeypatch.setattr("mkgc.analysis.resampling.CELLS", 333)
    for name, interval in intervals(queries, 200, 3).items():
        assert interval == pytest.approx(expected[name], rel=1e-12)


def test_a_run_does_not_differ_from_itself() -> None:
    for one in compare([asked(drawn(50))], [asked(drawn(50))], 200).values():
        assert one.p == 1
        assert one.difference == (0, 0, 0)
        assert one.first == one.second


def test_p_is_that_of_all_swaps_of_triples() -> None:
    one, other = drawn(24, 1, 1.0), drawn(24, 2, 1.2)
    found = compare([asked(one, 2)], [asked(other, 2)], 20000)
    figures: dict[str, Callable[[Any], Any]] = {"mrr": lambda r: 1 / r, "hits@1": lambda r: (r <= 1) * 1.0}
    for name, of in figures.items():
        pairs = [of(ranks).reshape(-1, 2).sum(1) for ranks in (one, other)]
        exact = stats.permutation_test(
            pairs, lambda a, b, axis: (b - a).sum(axis), permutation_type="samples", n_resamples=np.inf
        )
        assert found[name].p == pytest.approx(exact.pvalue, abs=0.012)


def test_a_run_that_is_better_nearly_everywhere_is_so_by_no_chance() -> None:
    worse = drawn(200) + 1
    better = np.where(np.arange(200) % 10, worse - 1, worse)
    one = compare([asked(worse)], [asked(better)], 999)["mrr"]
    assert one.p == 1 / 1000
    assert 0 < one.difference.low < one.difference.value == pytest.approx(one.second.value - one.first.value)
    back = compare([asked(better)], [asked(worse)], 999)["mrr"]
    assert back.p == one.p
    assert back.difference == pytest.approx((-one.difference.value, -one.difference.high, -one.difference.low))


def test_interchangeable_runs_are_called_different_no_more_often_than_p_says() -> None:
    values = [compare([asked(drawn(40, seed))], [asked(drawn(40, seed + 500))], 199)["mrr"].p for seed in range(300)]
    assert np.mean(np.array(values) <= 0.05) < 0.08
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_runs_on_other_queries_are_not_compared() -> None:
    queries = asked(drawn(10))
    table = queries.table.copy()
    table["tail"][:3] = 7
    for other, line in (
        (asked(drawn(9)), "the runs ranked different queries: 10 and 9 of them"),
        (replace(queries, table=table), "the runs ranked different queries: 3 of 10 are not the same"),
        (replace(queries, relations=("s",)), "the runs are of different graphs: their relations are not the same"),
    ):
        with pytest.raises(MetricError, match=f"^{line}$"):
            compare([queries], [other])


def test_seeds_are_averaged_triple_by_triple_before_triples_are_drawn() -> None:
    runs = [asked(drawn(60, seed), 2) for seed in range(3)]
    whole, alone = pooled(runs, 2000), [intervals(run, 2000) for run in runs]
    for name, interval in whole.items():
        assert interval.value == pytest.approx(np.mean([one[name].value for one in alone]), rel=1e-12)
    # Independent errors of three seeds cancel out in part, those that all seeds share do not.
    widths = [one["mrr"].high - one["mrr"].low for one in (whole, *alone)]
    assert 0.4 < widths[0] / np.mean(widths[1:]) < 0.8
    assert pooled([runs[0]] * 3, 2000)["mrr"] == pytest.approx(alone[0]["mrr"], rel=1e-12)
    shuffled = [runs[0], runs[1].chosen(np.arange(60)[::-1]), runs[2]]
    assert pooled(shuffled, 2000) == whole
    with pytest.raises(MetricError, match="^the runs ranked different queries: 60 and 9 of them$"):
        pooled([runs[0], asked(drawn(9))])


def test_no_queries_have_no_interval() -> None:
    with pytest.raises(EmptyMetricError, match="^there are no queries$"):
        intervals(asked(np.ones(0)))
