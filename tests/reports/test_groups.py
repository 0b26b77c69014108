"""Which runs stand in one row, which in one table, and what is said of those that do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.errors import DataError
from mkgc.reports.found import read_runs
from mkgc.reports.planned import planned, unbegun, write_planned
from mkgc.reports.runs import list_runs
from mkgc.reports.table import Spread, Table
from tests.conftest import said
from tests.test_report import begun


def run_of(folder: Path, settings: dict[str, Any], f1: float = 0.5, **figures: Any) -> Path:
    """A finished run with these settings beside a task's and a backbone's."""
    begun(folder, **{"seed": 0, **settings})
    written = {"test": {"f1": f1}, "metric": "f1", "data": "d1", "task": "mre"} | figures
    (folder / "metrics.json").write_text(
        json.dumps({key: value for key, value in written.items() if value is not None})
    )
    return folder


def table_of(*folders: Path) -> Table:
    (table,) = list_runs(read_runs(folders))
    return table


def column(table: Table, name: str) -> list[Any]:
    return [row[table.columns.index(name)] for row in table.rows]


def test_each_setting_that_differs_is_a_column(tmp_path: Path) -> None:
    backbone = {"_target_": "x.FusionEncoder", "text": {}, "fusion": {"_target_": "x.PrefixFusion"}}
    for i, (fused, rate, seed) in enumerate((f, r, s) for f in (1, 3) for r in (1e-3, 1e-5) for s in (0, 1)):
        settings = {"backbone": backbone | {"fused": fused}, "optim": {"lr": rate, "head_lr": "${optim.lr}"}}
        run_of(tmp_path / str(i), {**settings, "seed": seed}, fused / 4 + seed / 100)
    table = table_of(tmp_path)
    assert table.columns == ("backbone.fused", "optim.lr", "seed", "n", "f1")
    assert table.title == "mre, MKGformer: test scores, mean ± sd over seeds"
    assert column(table, "backbone.fused") == ["1", "1", "3", "3"]
    assert column(table, "optim.lr") == ["0.001", "1e-05", "0.001", "1e-05"]
    assert (column(table, "n"), column(table, "seed")) == ([2] * 4, ["0, 1"] * 4)


def test_of_a_section_that_was_chosen_as_a_whole_one_setting_stands_for_it(tmp_path: Path) -> None:
    for i, size in enumerate(({"a": 1, "bb": 1, "ccc": 1, "dddd": 1}, {"a": 2, "bb": 2, "ccc": 2, "dddd": 2})):
        run_of(tmp_path / str(i), {"size": size, "optim": {"lr": i}})
    assert table_of(tmp_path).columns == ("run", "size.a", "optim.lr", "seed", "n", "f1")


def test_of_too_many_settings_those_stay_that_tell_runs_apart(tmp_path: Path) -> None:
    for i in range(16):
        run_of(tmp_path / f"{i:02}", {f"s{j}": {"x": i >> (j % 4) & 1} for j in range(8)})
    assert table_of(tmp_path).columns[:6] == ("run", "s0.x", "s1.x", "s2.x", "s3.x", "seed")


def test_means_and_deviations_are_numpys(tmp_path: Path) -> None:
    values = [0.61, 0.58, 0.664, 0.7]
    for seed, f1 in enumerate(values):
        run_of(tmp_path / str(seed), {"seed": seed}, f1)
    (cell,) = column(table_of(tmp_path), "f1")
    assert cell == pytest.approx(Spread(np.mean(values), np.std(values, ddof=1)), abs=1e-12)


def test_no_seed_counts_twice(tmp_path: Path) -> None:
    for name, seed, f1 in (("a", 0, 0.5), ("b", 1, 0.7), ("c", 0, 0.9), ("d", 0, 0.9)):
        run_of(tmp_path / name, {"seed": seed}, f1)
    table = table_of(tmp_path)
    assert (column(table, "n"), column(table, "f1")[0][0]) == ([2], pytest.approx(0.6))
    assert table.notes == (
        "c repeats a, seed 0, and does not count",
        "d repeats a, seed 0, and does not count",
    )


def test_samples_of_a_low_resource_set_are_repetitions_and_elsewhere_their_seed_means_nothing(tmp_path: Path) -> None:
    for sample in (42, 43, 44):
        run_of(tmp_path / "few" / str(sample), {"data": {"shots": 5, "subset_seed": sample}}, sample / 100)
        run_of(tmp_path / "all" / str(sample), {"data": {"shots": None, "subset_seed": sample}}, 0.9)
    table = table_of(tmp_path)
    assert column(table, "data.shots") == ["None", "5"]
    assert (column(table, "sample"), column(table, "n")) == (["", "42, 43, 44"], [1, 3])
    assert len(table.notes) == 2
    assert all("does not count" in note for note in table.notes)


def test_a_run_that_a_tracker_watched_is_the_same_run(tmp_path: Path) -> None:
    run_of(tmp_path / "0", {"seed": 0, "logger": {"_target_": "x.Csv"}})
    moved = {"data": {"root": "moved", "workers": 2}, "low_resource": {"shots": "1,2"}, "launcher": {"jobs": 2}}
    run_of(tmp_path / "1", {"seed": 1, "logger": {"_target_": "x.Wandb"}, **moved})
    assert column(table_of(tmp_path), "n") == [2]


def test_a_folder_that_is_given_twice_counts_once_and_names_say_where_runs_lie(tmp_path: Path) -> None:
    one, other = run_of(tmp_path / "x" / "0", {}), run_of(tmp_path / "y" / "0", {"optim": {"lr": 1}})
    table = table_of(tmp_path / "x", tmp_path / "y", one)
    assert column(table, "run") == [one.as_posix(), other.as_posix()]
    assert table.notes == ()


def test_different_data_or_protocols_do_not_stand_in_one_table(run: Callable[..., Any], tmp_path: Path) -> None:
    for i, key in enumerate(("data", "protocol")):
        for name, value in (("a", "x1"), ("b", "x1"), ("c", "x2")):
            run_of(tmp_path / key / name, {"optim": {"lr": i}}, **{key: value})
        code, _, err = run("report", f"runs={tmp_path / key}")
        assert (code, said(err)) == (
            2,
            f"runs of mre that were tested on different {key} cannot stand in one table ({key} x1: a, b; x2: c): give "
            "runs=[DIR,…] of one kind alone",
        )
        code, out, _ = run("report", f"runs=[{tmp_path / key / 'a'},{tmp_path / key / 'b'}]")
        assert (code, f"{tmp_path / key / 'a'}" in out) == (0, True)


def test_runs_with_and_without_a_graph_are_compared_and_such_with_different_ones_are_not(tmp_path: Path) -> None:
    for name, graph in (("a", "g1"), ("b", None), ("c", "g2")):
        run_of(tmp_path / name, {"system": name}, graph=graph)
    table = table_of(tmp_path / "a", tmp_path / "b")
    assert (len(table.rows), table.notes) == (2, ())
    with pytest.raises(DataError, match=r"tested on different knowledge graphs cannot stand in one table"):
        table_of(tmp_path)


def test_a_data_set_that_has_moved_is_the_same_and_another_has_a_table_of_its_own(tmp_path: Path) -> None:
    for name, root, digest in (("a", "here", "d1"), ("b", "moved", "d1"), ("c", "other", "d2")):
        run_of(tmp_path / name, {"data": {"root": root}, "system": name}, data=digest)
    first, second = list_runs(read_runs([tmp_path]))
    assert (first.title, column(first, "system")) == ("mre on here: test scores", ["a", "b"])
    assert (second.title, column(second, "system")) == ("mre on other: test scores", ["c"])


def test_runs_that_do_not_say_what_they_were_tested_on_are_named(tmp_path: Path) -> None:
    run_of(tmp_path / "old", {"system": "A"}, data=None)
    run_of(tmp_path / "new", {"system": "B"})
    assert table_of(tmp_path).notes == ("data taken to be the same, as an earlier version did not record it: old",)


def test_what_is_missing_is_said_and_why(tmp_path: Path) -> None:
    run_of(tmp_path / "0", {"seed": 0})
    begun(tmp_path / "1", 1)
    (begun(tmp_path / "2", 2) / "failed.txt").write_text("the loss is NaN\n")
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "metrics.json").write_text('{"accuracy": 1}')
    table = table_of(tmp_path)
    assert (column(table, "seed"), column(table, "n")) == (["0"], [1])
    assert table.notes == (
        f"3 cannot be used: {tmp_path}/3/metrics.json: has no figures under 'test': not those of a run",
        "1 (seed 1) did not finish",
        "2 (seed 2) failed: the loss is NaN",
    )


def sweep(folder: Path, **jobs: str) -> Path:
    """A sweep's folder with the record of its jobs, by their folders."""
    folder.mkdir(parents=True, exist_ok=True)
    write_planned(folder, jobs)
    return folder


def test_jobs_that_never_began_are_named_by_what_they_alone_have(tmp_path: Path) -> None:
    sweep(tmp_path / "s", **{f"{i}_full": f"seed={i}" for i in range(4)})
    for i in (0, 2):
        run_of(tmp_path / "s" / f"{i}_full", {"seed": i})
    runs = read_runs([tmp_path])
    assert unbegun([tmp_path], runs) == [f"job {i}_full of {tmp_path}/s never began: seed={i}" for i in (1, 3)]
    assert list_runs(runs, notes=["first"])[0].notes[0] == "first"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"0": 1}', "[" * 100_000])
def test_of_a_damaged_record_of_jobs_nothing_is_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "jobs.json").write_text(text)
    assert planned(tmp_path) == {}


def test_files_of_a_tracker_in_a_runs_folder_are_no_runs(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "0", {}) / "wandb" / "offline-run-1" / "files"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("a: 1")
    assert len(read_runs([tmp_path])) == 1


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run has begun here"):
        read_runs([tmp_path])
