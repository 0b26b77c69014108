"""Figures of queries: means of those that have them, with intervals, and of two runs."""

import numpy as np
import pytest
from scipy import stats

from mkgc.analysis.figures import compare, measures, pool, recorded
from mkgc.analysis.predictions import Prediction, Predictions
from mkgc.analysis.resampling import bootstrap
from mkgc.metrics import MetricError


def queries(seed: int, better: float = 0.0, count: int = 40) -> Predictions:
    """Two thirds find pictures, a third poems; every fifth asks for nothing."""
    draw, rows = np.random.default_rng(seed), []
    for i in range(count):
        direction = "image_to_text" if i % 3 == 2 else "text_to_image"
        values = np.clip(draw.random(3) + better, 0, 1).tolist()
        figures = dict(zip((f"{direction}/{name}" for name in ("HR@1", "NDCG@5", "MRR")), values, strict=True))
        own = figures if i % 5 else {}
        rows.append(Prediction(str(i), (f"q{i}",), {}, "a", "b", 0.5, 0.5, (0, 1, 1), {}, own))
    return Predictions(tuple(rows))


def mean(tested: Predictions, name: str) -> float:
    return float(np.mean([row.figures[name] for row in tested.rows if name in row.figures]))


def test_a_figure_is_the_mean_over_the_queries_that_have_it_and_joined_ones_over_directions() -> None:
    tested = queries(0)
    found = {name: interval.value for name, interval in bootstrap(pool([tested]), measures(tested), 50, 0).items()}
    names = [f"{direction}/{name}" for direction in ("text_to_image", "image_to_text") for name in
             ("HR@1", "NDCG@5", "MRR")]  # fmt: skip
    assert {*found} == {*names, "NDCG@5", "MRR"}
    for name in names:
        assert found[name] == pytest.approx(mean(tested, name))
    for name in ("NDCG@5", "MRR"):
        assert found[name] == pytest.approx((found[f"text_to_image/{name}"] + found[f"image_to_text/{name}"]) / 2)


def test_mean_recall_is_the_mean_of_all_recalls_of_captions_and_of_images() -> None:
    """Two captions of one image, the second of which has nothing to say of it again."""
    rows = [{"t2i_R@1": 1.0, "t2i_R@5": 1.0, "i2t_R@1": 0.0, "i2t_R@5": 1.0}, {"t2i_R@1": 0.0, "t2i_R@5": 0.0}]
    lines = [Prediction(str(i), ("q",), {}, "a", "b", 0.5, 0.5, (0, 1, 1), {}, row) for i, row in enumerate(rows)]
    tested = Predictions(tuple(lines))
    found = dict(zip(measures(tested).names, measures(tested).of(pool([tested]).sum(0)), strict=True))
    assert found == {"mean_recall": 0.5, "t2i_R@1": 0.5, "t2i_R@5": 0.5, "i2t_R@1": 0.0, "i2t_R@5": 1.0}


def test_several_seeds_count_with_the_mean_of_each_query() -> None:
    seeds = [queries(0), queries(1)]
    found = measures(seeds[0]).of(pool(seeds).sum(0))
    each = [measures(one).of(pool([one]).sum(0)) for one in seeds]
    assert found == pytest.approx(np.mean(each, axis=0))


def test_two_runs_are_compared_query_by_query() -> None:
    one, other = queries(0), queries(1, 0.4)
    found = compare([one], [other], 4000)["text_to_image/MRR"]
    pairs = [(b.figures[name], a.figures[name]) for a, b in zip(one.rows, other.rows, strict=True)
             for name in a.figures if name == "text_to_image/MRR"]  # fmt: skip
    assert found.difference.value == pytest.approx(np.mean([b - a for b, a in pairs]))
    statistic = lambda x, y, axis: np.mean(x - y, axis=axis)  # noqa: E731
    samples = tuple(map(np.array, zip(*pairs, strict=True)))
    expected = stats.permutation_test(samples, statistic, permutation_type="samples", n_resamples=4000, rng=0).pvalue
    assert found.p == pytest.approx(expected, abs=0.02)
    assert compare([one], [one], 50)["MRR"].p == 1


def test_runs_on_other_queries_are_not_compared() -> None:
    assert [recorded(one) for one in (queries(0), queries(0, count=1))] == [True, False]  # the first asks for nothing
    with pytest.raises(MetricError, match="different examples"):
        compare([queries(0)], [queries(0, count=30)])
