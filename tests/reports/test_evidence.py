"""Which rows of a table differ by more than chance, by what their runs recorded of each test example."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mkgc.analysis.resampling import Interval
from mkgc.errors import MkgcError
from mkgc.metrics import MetricError
from mkgc.reports.evidence import Statistics
from mkgc.reports.found import read_runs
from mkgc.reports.runs import list_runs
from mkgc.reports.table import Table
from tests.conftest import said
from tests.reports.test_groups import column, run_of
from tests.test_report import linked

MANY = Statistics(resamples=20000)


def table_of(folder: Path, how: Statistics = MANY) -> Table:
    (table,) = list_runs(read_runs([folder]), how)
    return table


def predicted(folder: Path, right: list[bool], seed: int = 0, words: str = "a b", **settings: Any) -> Path:
    """A finished run that found the relation of some examples."""
    lines = [
        {
            "id": str(i),
            "text": f"{words} {i}",
            "images": {},
            "gold": "x",
            "predicted": "x" if one else "y",
            "score": 0.9,
        }
        | {"gold_score": 0.5, "counts": [int(one), 1, 1]}
        for i, one in enumerate(right)
    ]
    run_of(folder, {"seed": seed, **settings}, float(np.mean(right)))
    (folder / "predictions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_p_of_ranks_is_that_of_scipys_permutation_test(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    good, bad = draw.integers(1, 6, 12).astype(float), draw.integers(1, 12, 12).astype(float)
    linked(tmp_path / "a", good.tolist(), system="good")
    linked(tmp_path / "b", bad.tolist(), system="bad")
    exact = stats.permutation_test(
        (1 / good, 1 / bad), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    )
    assert column(table_of(tmp_path), "p") == [None, pytest.approx(exact.pvalue, abs=0.01)]


def test_p_of_f1_is_that_of_scipys_permutation_test(tmp_path: Path) -> None:
    """Each example counts a prediction and a gold answer: F1 is accuracy, and the test McNemar's."""
    good, bad = [True] * 9 + [False] * 5, [False] * 7 + [True] * 4 + [False] * 3
    predicted(tmp_path / "a", good, system="good")
    predicted(tmp_path / "b", bad, system="bad")
    lost, won = (sum(a > b for a, b in zip(one, other, strict=True)) for one, other in ((good, bad), (bad, good)))
    exact = stats.binomtest(won, lost + won).pvalue
    table = table_of(tmp_path)
    assert column(table, "p") == [None, pytest.approx(exact, abs=0.02)]
    assert table.notes == (
        "p: of no difference in f1 from good, by a permutation test over test examples (20,000 draws), not corrected "
        "for the number of rows",
    )


def test_seeds_count_with_their_mean(tmp_path: Path) -> None:
    """Two seeds that are right by turns are as good as one that is right half of the time: no row is better."""
    half = [True, False] * 8
    for name, shift in (("even", (0, 1)), ("odd", (1, 0))):
        for seed, first in enumerate(shift):
            predicted(tmp_path / f"{name}{seed}", half[first:] + half[:first], seed, system=name)
    assert column(table_of(tmp_path), "p") == [None, 1.0]


def test_a_baseline_takes_the_place_of_the_best_row(run: Callable[..., Any], tmp_path: Path) -> None:
    for name, right in (("good", 15), ("fair", 10), ("bad", 1)):
        predicted(tmp_path / "r" / name, [True] * right + [False] * (16 - right), system=name)
    how = MANY._replace(baseline=tmp_path / "r" / "bad")
    bad, fair, good = column(table_of(tmp_path / "r", how), "p")
    assert (bad, good < 0.01, fair < 0.01) == (None, True, True)
    for name, line in (
        ("none", f"baseline={tmp_path}/r/none: none of the runs lies there: give the folder of one"),
        ("", f"baseline={tmp_path}/r/: the runs of 3 rows lie there: give the folder of one"),
    ):
        code, _, err = run("report", f"runs={tmp_path}/r", f"baseline={tmp_path}/r/{name}")
        assert (code, said(err).replace("/r:", "/r/:")) == (2, line)


def test_runs_that_recorded_nothing_have_no_p_and_those_that_did_have_intervals(tmp_path: Path) -> None:
    predicted(tmp_path / "0", [True, False] * 5, system="A")
    predicted(tmp_path / "1", [True] * 10, system="B")
    run_of(tmp_path / "2", {"system": "C"})
    assert column(table_of(tmp_path), "p")[1:] == [None, None]
    table = table_of(tmp_path, Statistics(True, 500))
    assert table.title == "mre: 10 examples, 95 % intervals"
    first, _, third = column(table, "f1")
    assert isinstance(first, Interval)
    assert (first.value, third) == (0.5, None)
    assert first.low < 0.5 < first.high


def test_without_any_record_figures_are_without_intervals(tmp_path: Path) -> None:
    for name in "AB":
        run_of(tmp_path / name, {"system": name})
    table = table_of(tmp_path, Statistics(True))
    assert (table.columns[-1], column(table, "f1")) == ("f1", [0.5, 0.5])


def test_predictions_of_different_examples_are_not_compared(tmp_path: Path) -> None:
    predicted(tmp_path / "0", [True] * 4, system="A")
    predicted(tmp_path / "1", [True] * 4, system="B", words="c d")
    with pytest.raises(MetricError, match="0 and 1: the runs were tested on different examples: 4 of 4"):
        table_of(tmp_path)
    linked(tmp_path / "2", [1.0] * 4, system="C")
    (tmp_path / "1" / "predictions.jsonl").unlink()
    (tmp_path / "2" / "queries.npz").rename(tmp_path / "1" / "queries.npz")
    figures = json.loads((tmp_path / "1" / "metrics.json").read_text())
    figures["test"]["mrr"] = 0.5
    (tmp_path / "1" / "metrics.json").write_text(json.dumps(figures))
    with pytest.raises(MkgcError, match="the runs are of different tasks"):
        list_runs(read_runs([tmp_path]))
