"""Measures of recorded predictions against loops, scikit-learn and scipy."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from mkgc.analysis.answers import changes, class_counts, compare, confusions, groups, measures, uncounted
from mkgc.analysis.predictions import Answer, Entity, Prediction, Predictions
from mkgc.metrics import MetricError, precision_recall_f1

LABELS = ("None", "knows", "likes")


def one(
    gold: Answer, predicted: Answer, number: int = 0, words: int = 3, images: int = 1, none: str = "None"
) -> Prediction:
    if isinstance(gold, str):
        counts = (int(gold == predicted != none), int(predicted != none), int(gold != none))
    else:
        counts = (len({*gold} & {*predicted}), len(predicted), len(gold))
    text = (f"w{number}", *["x"] * (words - 1))
    shown = {"image": ("a.png",) * images} if images else {}
    return Prediction(str(number), text, shown, gold, predicted, 0.5, 0.5, counts, {})


def labelled(seed: int, right: float, count: int = 60) -> Predictions:
    """Labels of which a share is right; the gold ones do not depend on the seed."""
    gold, draw = np.random.default_rng(9).choice(LABELS, count), np.random.default_rng(seed)
    found = np.where(draw.random(count) < right, gold, draw.choice(LABELS, count))
    return Predictions(tuple(one(str(g), str(f), i) for i, (g, f) in enumerate(zip(gold, found, strict=True))))


def tagged(seed: int, right: float, count: int = 40) -> Predictions:
    """Sentences of nought to three entities of which a share is found."""
    kinds, draw, rows = np.random.default_rng(9), np.random.default_rng(seed), []
    for i in range(count):
        gold = tuple(Entity(str(kinds.choice(["LOC", "PER"])), 2 * k, 2 * k + 1) for k in range(kinds.integers(4)))
        found = tuple(e for e in gold if draw.random() < right)
        rows.append(one(gold, (*found, *[Entity("LOC", 7, 8)] * int(draw.random() > right)), i, 9))
    return Predictions(tuple(rows))


def values(found: Any) -> dict[str, float]:
    return {name: each.first.value for name, each in found.items()}


def test_measures_are_those_of_scikit_learn() -> None:
    run = labelled(1, 0.6)
    gold, predicted = ([getattr(row, name) for row in run.rows] for name in ("gold", "predicted"))
    expected = precision_recall_fscore_support(gold, predicted, labels=LABELS[1:], average="micro")
    found = values(compare([run], [run], 5))
    assert [*found] == ["precision", "recall", "f1", "accuracy"]
    assert [*found.values()][:3] == pytest.approx(expected[:3])
    assert found["accuracy"] == np.mean(np.array(gold) == predicted)


def test_intervals_are_those_of_scipys_bootstrap() -> None:
    run = tagged(1, 0.6)
    columns = tuple(run.sums[:, :3].T)

    def f1(right: Any, predicted: Any, gold: Any, axis: int) -> Any:
        return 2 * right.sum(axis) / (predicted.sum(axis) + gold.sum(axis))

    expected = stats.bootstrap(
        columns, f1, paired=True, vectorized=True, n_resamples=8000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    found = compare([run], [run], 8000)["f1"].first
    assert found[1:] == pytest.approx((expected.low, expected.high), abs=0.006)


def test_the_difference_has_the_interval_of_a_paired_bootstrap_written_as_a_loop() -> None:
    one_, other = tagged(1, 0.6), tagged(2, 0.8)
    draw, differences = np.random.default_rng(1), []
    for _ in range(4000):
        rows = draw.integers(len(one_.rows), size=len(one_.rows))
        scores = [precision_recall_f1(*run.sums[rows, :3].sum(0).astype(int).tolist())["f1"] for run in (one_, other)]
        differences.append(scores[1] - scores[0])
    found = compare([one_], [other], 4000)["f1"].difference
    assert found[1:] == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.01)


def test_p_of_f1_is_that_of_scipys_permutation_test() -> None:
    first, second = tagged(1, 0.6), tagged(2, 0.75)
    rows = np.arange(len(first.rows), dtype=float)
    both = np.stack([first.sums, second.sums])

    def difference(a: Any, b: Any, axis: int = -1) -> Any:
        """Rows are numbers of sentences, those of the second run 1000 higher."""
        parts = []
        for side in (a, b):
            taken = both[(side >= 1000).astype(int), (side % 1000).astype(int)]
            right, predicted, gold = np.moveaxis(taken.sum(-2), -1, 0)[:3]
            parts.append(2 * right / (predicted + gold))
        return parts[1] - parts[0]

    expected = stats.permutation_test(
        (rows, rows + 1000), difference, permutation_type="samples", n_resamples=6000, vectorized=True,
        rng=np.random.default_rng(3),
    )  # fmt: skip
    assert compare([first], [second], 6000)["f1"].p == pytest.approx(expected.pvalue, abs=0.015)


def test_p_of_accuracy_is_mcnemars() -> None:
    first, second = labelled(1, 0.5), labelled(2, 0.7)
    right = [np.array([row.gold == row.predicted for row in run.rows]) for run in (first, second)]
    gained, lost = int((~right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())
    exact = stats.binomtest(gained, gained + lost).pvalue
    assert 0.001 < exact < 0.5
    assert compare([first], [second], 20000)["accuracy"].p == pytest.approx(exact, abs=0.01)


def test_a_run_does_not_differ_from_itself() -> None:
    for found in compare([tagged(1, 0.6)], [tagged(1, 0.6)], 200).values():
        assert found.p == 1
        assert found.difference == (0, 0, 0)


def test_interchangeable_runs_are_called_different_no_more_often_than_p_says() -> None:
    found = [compare([tagged(seed, 0.6)], [tagged(seed + 500, 0.6)], 199)["f1"].p for seed in range(200)]
    assert np.mean(np.array(found) <= 0.05) < 0.09
    assert stats.kstest(found, "uniform").pvalue > 0.005


def test_several_seeds_count_with_their_mean_and_are_more_certain_than_one() -> None:
    seeds = [tagged(seed, 0.6) for seed in range(4)]
    whole = compare(seeds, seeds[:2], 2000)["f1"]
    sums = np.mean([run.sums for run in seeds], axis=0).sum(0)
    assert whole.first.value == pytest.approx(2 * sums[0] / (sums[1] + sums[2]))
    alone = [compare([run], [run], 2000)["f1"].first for run in seeds]
    assert whole.first.high - whole.first.low < np.mean([each.high - each.low for each in alone])


def test_nothing_predicted_and_nothing_to_find_are_nought_and_no_division() -> None:
    blank = Predictions((one((), ()), one((), ())))
    assert values(compare([blank], [blank], 20)) == {"precision": 0, "recall": 0, "f1": 0, "exact match": 1}


def test_runs_on_other_examples_are_not_compared() -> None:
    run = labelled(1, 0.5, 4)
    moved = Predictions((replace(run.rows[0], words=("other",)), *run.rows[1:]))
    for other, line in (
        (labelled(1, 0.5, 3), "the runs were tested on different examples: 4 and 3 of them"),
        (moved, "the runs were tested on different examples: 1 of 4 are not the same"),
        (tagged(1, 0.5, 4), "the runs are of different tasks: one predicts labels, the other entities"),
    ):
        with pytest.raises(MetricError, match=f"^{line}$"):
            compare([run], [other])
    named = Predictions(tuple(replace(row, id=f"moved/{row.id}") for row in run.rows))
    assert compare([run], [named], 10)["f1"].p == 1


def test_classes_are_counted_as_a_loop_counts_them() -> None:
    run = tagged(1, 0.5)
    expected: dict[str, Counter[str]] = {"LOC": Counter(), "PER": Counter()}
    for row in run.rows:
        for name, part in (("gold", row.gold), ("predicted", row.predicted)):
            for each in part:
                assert isinstance(each, Entity)
                expected[each.type][name] += 1
                expected[each.type]["right"] += name == "gold" and each in row.predicted
    found = class_counts(run.rows)
    assert {name: each._asdict() for name, each in found.items()} == expected
    assert class_counts(labelled(1, 1.0).rows).keys() == {*LABELS}
    assert uncounted(labelled(1, 0.5).rows) == {"None"}


def test_what_is_taken_for_what_is_counted_the_most_frequent_first() -> None:
    rows = [one("knows", "None"), one("knows", "None"), one("likes", "knows"), one("likes", "likes")]
    assert confusions(rows) == [("knows", "None", 2), ("likes", "knows", 1)]
    gold = (Entity("LOC", 0, 2), Entity("PER", 4, 5), Entity("ORG", 6, 7))
    predicted = (Entity("LOC", 0, 1), Entity("ORG", 4, 5), Entity("MISC", 8, 9))
    assert confusions([one(gold, predicted, words=9)]) == [
        ("LOC", "LOC with other ends", 1),
        ("ORG", "nothing", 1),
        ("PER", "ORG", 1),
        ("nothing", "MISC", 1),
    ]


def test_examples_are_grouped_by_images_that_any_run_saw_and_by_length() -> None:
    rows = [
        one("knows", "knows", i, words, images) for i, (words, images) in enumerate([(3, 1), (10, 0), (11, 0), (99, 2)])
    ]
    run = Predictions(tuple(rows))
    blind = Predictions(tuple(replace(row, images={}) for row in rows))
    expected = {
        "with images": [True, False, False, True],
        "without images": [False, True, True, False],
        "1 to 10 words": [True, True, False, False],
        "11 to 20 words": [False, False, True, False],
        "more than 40 words": [False, False, False, True],
    }
    for runs in ([run], [blind, run]):
        assert {name: mask.tolist() for name, mask in groups(runs).items()} == expected
    assert "with images" not in groups([blind])


def test_changes_of_classes_come_by_what_they_move_and_leave_out_what_does_not_count() -> None:
    first = Predictions((one("knows", "likes", 0), one("likes", "likes", 1, 20), one("None", "None", 2)))
    second = Predictions((one("knows", "knows", 0), one("likes", "likes", 1, 20), one("None", "likes", 2)))
    alike, classes = changes([first], [second])
    assert [tuple(change) for change in classes] == [
        ("knows", 1, 0.0, 1.0, 1.0),
        ("likes", 1, pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(0)),
    ]
    assert [(c.group, c.size, c.first, c.second) for c in alike] == [
        ("with images", 3, 0.5, 0.8),
        ("1 to 10 words", 2, 0.0, pytest.approx(2 / 3)),
        ("11 to 20 words", 1, 1.0, 1.0),
    ]
    assert measures(True).names[3] == "accuracy"


def test_a_right_type_of_a_mention_is_not_what_another_was_taken_for() -> None:
    """Entity typing: one mention of several types."""
    gold = (Entity("person", 0, 1), Entity("artist", 0, 1))
    assert confusions([one(gold, (Entity("person", 0, 1),))]) == [("artist", "nothing", 1)]
    assert confusions([one(gold, (Entity("person", 0, 1), Entity("place", 0, 1)))]) == [("artist", "place", 1)]
    assert confusions([one(gold, (*gold, Entity("place", 0, 1)))]) == [("nothing", "place", 1)]
