import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console

from mkgc.metrics.ranking import RECORD, Queries
from mkgc.report import Spread, Table, list_runs, read_runs, show, shown
from tests.conftest import said

HYBRID = {
    "_target_": "mkgc.backbone.Backbone",
    "text": {},
    "fusion": {"_target_": "mkgc.fusion.prefix.PrefixFusion", "_partial_": True, "pgi": True, "caf": False},
}
TEXT = {"_target_": "mkgc.backbone.Backbone", "text": {}}
ROTATE = {"_target_": "mkgc.kge.RotatE", "dimension": 8}


def finished(folder: Path, seed: int = 0, backbone: object = None, task: str = "mre", **test: float) -> Path:
    """A run's folder, with the files that training leaves."""
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"test": test, "task": task, "seed": seed}))
    settings = {"task": {"name": task, "metric": "f1"}, "seed": seed, "backbone": backbone or TEXT, "resume": None}
    OmegaConf.save(settings, folder / "config.yaml")
    return folder


def ranked(folder: Path, ranks: list[float], relation: int = 0) -> Path:
    """A run's folder with ranked queries: the first half of the second relation, the others of the first."""
    table = np.zeros(len(ranks), RECORD)
    table["head"], table["rank"], table["candidates"] = np.arange(len(ranks)), ranks, 50
    table["relation"] = np.arange(len(ranks)) < len(ranks) // 2
    table["tail"] = relation
    folder.mkdir(parents=True)
    Queries(table, ("likes|[red]", "knows"), ("1-1", "N-N")).save(folder / "queries.npz")
    return folder


def test_runs_that_differ_in_their_seed_alone_are_one_row_of_mean_and_deviation(tmp_path) -> None:
    for seed, f1 in enumerate((0.8, 0.9, 1.0)):
        finished(tmp_path / "mre" / "full" / str(seed), seed, HYBRID, precision=0.5, f1=f1, support=40.0)
    finished(tmp_path / "mre" / "text", 0, TEXT, f1=0.7, precision=0.6, support=40.0)
    table = list_runs(read_runs(tmp_path))
    assert table.columns == ("run", "task", "seed", "backbone", "f1", "precision")
    assert [tuple(map(shown, row)) for row in table.rows] == [
        ("mre/full (3 runs)", "mre", "0, 1, 2", "PrefixFusion without caf", "0.9000 ± 0.1000", "0.5000 ± 0.0000"),
        ("mre/text", "mre", "0", "text only", "0.7000", "0.6000"),
    ]


def test_runs_of_other_tasks_leave_the_measures_they_do_not_have_empty_and_sides_are_left_out(tmp_path) -> None:
    finished(tmp_path / "a", f1=0.5)
    finished(tmp_path / "b", 7, ROTATE, "link_prediction", **{"mrr": 0.25, "mr": 221.04, "head/mrr": 0.2, "count": 9.0})
    table = list_runs(read_runs(tmp_path))
    assert table.columns == ("run", "task", "seed", "backbone", "f1", "mrr", "mr")
    assert [tuple(map(shown, row)) for row in table.rows] == [
        ("a", "mre", "0", "text only", "0.5000", "", ""),
        ("b", "link_prediction", "7", "RotatE", "", "0.2500", "221.0"),
    ]


def test_the_backbones_that_training_offers_have_names(mre_root, tiny, tmp_path) -> None:
    for name in ("mkgformer", "mkgformer_released", "text_only"):
        config = tiny("mre", mre_root, f"backbone={name}")
        OmegaConf.save(config, finished(tmp_path / name, f1=0.5) / "config.yaml", resolve=True)
    named = {row[0]: row[3] for row in list_runs(read_runs(tmp_path)).rows}
    assert named == {
        "mkgformer": "PrefixFusion",
        "mkgformer_released": "ReleasedFusion",
        "text_only": "text only",
    }


def test_a_report_is_written_as_markdown_json_or_csv(run, tmp_path) -> None:
    finished(tmp_path / "r" / "x|0", 0, f1=0.8)
    finished(tmp_path / "r" / "x|1", 1, f1=0.9)
    finished(tmp_path / "r" / "y", 0, HYBRID, f1=0.5)
    out = {}
    for kind in ("md", "json", "csv"):
        code, printed, _ = run("report", f"runs={tmp_path}/r", f"output={tmp_path}/out.{kind}")
        assert code == 0
        out[kind] = (tmp_path / f"out.{kind}").read_text("utf-8")
    assert printed == out["md"]
    assert out["md"].splitlines() == [
        "Test scores",
        "",
        "| run | task | seed | backbone | f1 |",
        "| --- | --- | --- | --- | --- |",
        "| . (2 runs) | mre | 0, 1 | text only | 0.8500 ± 0.0707 |",
        "| y | mre | 0 | PrefixFusion without caf | 0.5000 |",
    ]
    rows = json.loads(out["json"])[0]["rows"]
    assert rows[0]["f1"] == pytest.approx({"mean": 0.85, "sd": 0.05 * 2**0.5})
    assert rows[1]["f1"] == 0.5
    rows = list(csv.DictReader(io.StringIO(out["csv"])))
    assert [(row["seed"], row["f1 sd"] == "") for row in rows] == [("0, 1", False), ("0", True)]
    assert float(rows[0]["f1"]) == pytest.approx(0.85)


def test_a_terminal_shows_a_table_and_takes_no_name_for_markup() -> None:
    console = Console(force_terminal=True, width=60, record=True, file=io.StringIO())
    show([Table("Test scores", ("run", "f1"), [("[red]x", Spread(0.5, 0.25)), ("y", None)])], console)
    text = console.export_text()
    assert "[red]x" in text
    assert "0.5000 ± 0.2500" in text
    assert "┃ run" in text


def test_two_runs_are_compared_with_intervals_and_the_relations_that_differ_most(run, tmp_path) -> None:
    one = ranked(tmp_path / "a", [2.0] * 20)
    other = ranked(tmp_path / "b", [1.0] * 10 + [2.0] * 9 + [1.0])
    code, out, _ = run("report", f"compare=[{one},{other}]", "resamples=500", f"output={tmp_path}/out.json")
    assert code == 0
    tables = json.loads((tmp_path / "out.json").read_text())
    assert [table["title"] for table in tables] == [
        f"A: {one}, B: {other}; 20 queries, 95 % intervals",
        "MRR of groups of queries",
        "MRR of the relations that change it most",
    ]
    mrr, _, hits3, *_ = tables[0]["rows"]
    assert mrr["A"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert mrr["B − A"]["value"] == pytest.approx(0.275)
    assert mrr["B − A"]["low"] > 0
    assert (mrr["p"] < 0.01, hits3["p"]) == (True, 1.0)
    assert [row["group"] for row in tables[1]["rows"]] == ["1-1", "N-N", "head", "1-1/head", "N-N/head", "none"]
    changed = [(row["relation"], row["queries"], round(row["B − A"], 9)) for row in tables[2]["rows"]]
    assert changed == [("knows", 10, 0.5), ("likes|[red]", 10, 0.05)]
    assert "| likes\\|[red] | 10 | 0.5000 | 0.5500 | 0.0500 |" in out


def test_what_cannot_be_reported_is_one_line(run, tmp_path) -> None:
    one, few = ranked(tmp_path / "a", [1.0] * 4), ranked(tmp_path / "b", [1.0] * 3)
    others, none = ranked(tmp_path / "c", [1.0] * 4, 1), finished(tmp_path / "none", f1=1.0)
    for arguments, line in (
        ([], "give runs=… or compare=[A,B]"),
        (["runs=x", "compare=[a,b]"], "runs and compare are two different things: give one"),
        (["runs=x"], "x: no metrics.json below this folder: no run has ended here"),
        (["runs=x", "output=x.txt"], "output=x.txt: must end with .md, .json, .csv"),
        ([f"runs={none}", "output=no/x.md"], "output=no/x.md: cannot be written: No such file or directory"),
        (["compare=x"], "compare=x: give the folders of two runs, compare=[A,B]"),
        (["compare=[x]"], "compare=['x']: give the folders of two runs, compare=[A,B]"),
        ([f"compare=[{one},{one}]", "resamples=0"], "resamples=0 must be a whole number of at least 1"),
        ([f"compare=[{one},{none}]"], f"{none}/queries.npz: is not there: no ranked queries were recorded"),
        ([f"compare=[{one},{few}]"], "the runs ranked different queries: 4 and 3 of them"),
        ([f"compare=[{one},{others}]"], "the runs ranked different queries: 4 of 4 are not the same"),
        (
            [f"compare=[{one},{one}]", "output=x.csv"],
            "a comparison is several tables, which .csv cannot hold: choose output=FILE.md or FILE.json",
        ),
    ):
        code, out, err = run("report", *arguments)
        assert (code, out, said(err)) == (2, "", line)
    assert not [*tmp_path.glob("x*")]


def test_a_damaged_run_is_named_by_its_file(run, tmp_path) -> None:
    folder = finished(tmp_path / "runs" / "one", f1=1.0)
    figures, settings = folder / "metrics.json", folder / "config.yaml"
    beside = f"{settings}: cannot be read: a run's folder has its settings beside metrics.json"
    for path, text, line in (
        (settings, "- a list\n", beside),
        (settings, "a: [\n", beside),
        (settings, None, beside),
        (figures, "{}", f"{figures}: has no figures under 'test': not those of a run"),
        (figures, "{", f"{figures}: is no JSON: not the figures of a run"),
    ):
        path.unlink() if text is None else path.write_text(text)
        code, _, err = run("report", f"runs={tmp_path}/runs")
        assert (code, said(err)) == (2, line)
