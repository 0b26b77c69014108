import csv
import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console

from mkgc.analysis.queries import RECORD, Queries
from mkgc.reports.console import show
from mkgc.reports.evidence import USUAL, Statistics
from mkgc.reports.found import read_runs
from mkgc.reports.runs import list_runs
from mkgc.reports.table import Spread, Table, shown
from tests.conftest import said

TOO_DEEP = "is nested more than 50 levels deep, which the settings of a run are not"
BESIDE = "cannot be read: a run's folder has its settings beside metrics.json"
HYBRID: dict[str, Any] = {
    "_target_": "mkgc.models.fusion_encoder.FusionEncoder",
    "text": {},
    "fusion": {"_target_": "mkgc.fusion.prefix.PrefixFusion", "_partial_": True, "pgi": True, "caf": False},
}
TEXT = {"_target_": "mkgc.models.fusion_encoder.FusionEncoder", "text": {}}
ROTATE = {"_target_": "mkgc.kge.RotatE", "dimension": 8}


def begun(folder: Path, seed: int = 0, backbone: object = None, task: str = "mre", **more: object) -> Path:
    """A run's folder, with what training leaves before it trains."""
    folder.mkdir(parents=True)
    settings = {"task": {"name": task}, "seed": seed, "backbone": backbone or TEXT, "resume": None}
    OmegaConf.save(settings | more, folder / "config.yaml")
    return folder


def finished(folder: Path, seed: int = 0, backbone: object = None, task: str = "mre", **test: float) -> Path:
    """A run's folder, with the files that training leaves."""
    begun(folder, seed, backbone, task)
    metric = "mrr" if "mrr" in test else "f1"
    figures = {"test": test, "task": task, "seed": seed, "metric": metric, "data": "d1"}
    (folder / "metrics.json").write_text(json.dumps(figures))
    return folder


def told(folder: Path, how: Statistics = USUAL) -> list[list[str]]:
    """The cells of the one table of a folder, under its columns."""
    (table,) = list_runs(read_runs([folder]), how)
    return [[*table.columns], *([shown(cell) for cell in row] for row in table.rows)]


def linked(folder: Path, ranks: list[float], seed: int = 0, leaked: int = 0, **more: object) -> Path:
    """A finished run of link prediction; the first ``leaked`` of its queries are not clean."""
    begun(folder, seed, task="link_prediction", **more)
    ranked(folder, ranks, leaked=leaked)
    test = Queries.load(folder / "queries.npz").metrics()
    figures = {"test": test, "task": "link_prediction", "seed": seed, "metric": "mrr", "data": "d2"}
    (folder / "metrics.json").write_text(json.dumps(figures))
    return folder


def ranked(folder: Path, ranks: list[float], relation: int = 0, leaked: int = 0) -> Path:
    """A run's folder with ranked queries: the first half of the second relation, the others of the first."""
    table = np.zeros(len(ranks), RECORD)
    table["head"], table["rank"], table["candidates"] = np.arange(len(ranks)), ranks, 50
    table["relation"] = np.arange(len(ranks)) < len(ranks) // 2
    table["tail"] = relation
    folder.mkdir(parents=True, exist_ok=True)
    clean = np.arange(len(ranks)) >= leaked
    Queries(table, ("likes|[red]", "knows"), ("1-1", "N-N"), clean).save(folder / "queries.npz")
    return folder


def test_runs_that_differ_in_their_seed_alone_are_one_row_of_mean_and_deviation(tmp_path: Path) -> None:
    for seed, f1 in enumerate((0.8, 0.9, 1.0)):
        finished(
            tmp_path / "mre" / "full" / str(seed), seed, HYBRID, precision=0.5, f1=f1, support=40.0, bag_support=9.0
        )
    finished(tmp_path / "mre" / "text", 0, TEXT, f1=0.7, precision=0.6, support=40.0, bag_support=9.0)
    assert told(tmp_path) == [
        ["run", "system", "seed", "n", "f1", "precision"],
        ["mre/full", "MKGformer without caf", "0, 1, 2", "3", "0.9000 ± 0.1000", "0.5000 ± 0.0000"],
        ["mre/text", "text only", "0", "1", "0.7000", "0.6000"],
    ]
    (table,) = list_runs(read_runs([tmp_path]))
    assert (table.title, table.best) == ("mre: test scores, mean ± sd over seeds", {(0, 4), (1, 5)})


def test_each_task_has_a_table_and_sides_are_left_out(tmp_path: Path) -> None:
    finished(tmp_path / "a", f1=0.5)
    finished(tmp_path / "b", 7, ROTATE, "link_prediction", **{"mrr": 0.25, "mr": 221.04, "head/mrr": 0.2, "count": 9.0})
    first, second = list_runs(read_runs([tmp_path]))
    assert (first.title, first.columns) == ("mre: test scores", ("run", "system", "seed", "n", "f1"))
    assert second.title == "link_prediction: test scores"
    assert second.columns == ("run", "system", "seed", "n", "mrr", "mr")
    assert [shown(cell) for cell in second.rows[0]] == ["b", "RotatE", "7", "1", "0.2500", "221.0"]


@pytest.mark.slow
def test_the_backbones_that_training_offers_have_their_published_names(
    mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    published = {
        "mkgformer": "MKGformer",
        "mkgformer_released": "MKGformer (released)",
        "text_only": "text only",
        "vilbert": "ViLBERT",
        "visualbert": "VisualBERT",
        "adapcoatt": "AdapCoAtt",
        "umt": "UMT",
        "umgf": "UMGF",
        "bert_sg": "BERT+SG",
        "mega": "MEGA",
    }
    for name in published:
        config = tiny("mre", mre_root, f"backbone={name}")
        OmegaConf.save(config, finished(tmp_path / name, f1=0.5) / "config.yaml", resolve=True)
    assert {name: system for name, system, *_ in told(tmp_path)[1:]} == published


def test_a_report_is_written_as_markdown_json_or_csv(run: Callable[..., Any], tmp_path: Path) -> None:
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
        "mre: test scores, mean ± sd over seeds",
        "",
        "| run | system | seed | n | f1 |",
        "| --- | --- | --- | --- | --- |",
        "| . | text only | 0, 1 | 2 | **0.8500 ± 0.0707** |",
        "| y | MKGformer without caf | 0 | 1 | 0.5000 |",
    ]
    rows = json.loads(out["json"])[0]["rows"]
    assert rows[0]["f1"] == pytest.approx({"mean": 0.85, "sd": 0.05 * 2**0.5})
    assert rows[1]["f1"] == 0.5
    rows = list(csv.DictReader(io.StringIO(out["csv"])))
    assert [(row["seed"], row["f1 sd"] == "") for row in rows] == [("0, 1", False), ("0", True)]
    assert float(rows[0]["f1"]) == pytest.approx(0.85)


def test_a_terminal_shows_a_table_and_takes_no_name_for_markup() -> None:
    console = Console(force_terminal=True, width=60, record=True, file=io.StringIO())
    rows = [("[red]x", Spread(0.5, 0.25)), ("y", None)]
    show([Table("Test scores", ("run", "f1"), rows, frozenset({(0, 1)}))], console)
    assert "\x1b[1;32m0.5000 ± 0.2500\x1b[0m" in console.export_text(clear=False, styles=True)
    text = console.export_text()
    assert "[red]x" in text
    assert "0.5000 ± 0.2500" in text
    assert "┃ run" in text


def test_two_runs_are_compared_with_intervals_and_the_relations_that_differ_most(
    run: Callable[..., Any], tmp_path: Path
) -> None:
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
    mr, mrr, _, hits3, *_ = tables[0]["rows"]
    assert (mr["measure"], mr["B − A"]["value"]) == ("mr", pytest.approx(-0.55))
    assert mrr["A"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert mrr["B − A"]["value"] == pytest.approx(0.275)
    assert mrr["B − A"]["low"] > 0
    assert (mrr["p"] < 0.01, hits3["p"]) == (True, 1.0)
    assert [row["group"] for row in tables[1]["rows"]] == ["1-1", "N-N", "head", "1-1/head", "N-N/head", "none"]
    changed = [(row["relation"], row["queries"], round(row["B − A"], 9)) for row in tables[2]["rows"]]
    assert changed == [("knows", 10, 0.5), ("likes|[red]", 10, 0.05)]
    assert "| likes\\|[red] | 10 | 0.5000 | 0.5500 | 0.0500 |" in out


def test_where_queries_leak_the_clean_subset_stands_beside_the_whole(run: Callable[..., Any], tmp_path: Path) -> None:
    for seed in (0, 1):
        linked(tmp_path / "r" / str(seed), [1.0] * 6 + [4.0] * 4, seed, leaked=6)
    linked(tmp_path / "r" / "other", [2.0] * 10, leaked=6, backbone=ROTATE)
    linked(tmp_path / "r" / "old", [2.0] * 10, leaked=5, backbone=HYBRID)
    (tmp_path / "r" / "old" / "queries.npz").write_bytes(b"")
    whole, clean = list_runs(read_runs([tmp_path / "r"]))
    assert whole.title == "link_prediction: test scores, mean ± sd over seeds"
    assert clean.title == "link_prediction, clean subset: test scores, mean ± sd over seeds"
    mr, mrr = (whole.columns.index(name) for name in ("mr", "mrr"))
    assert [(row[0], shown(row[mr]), shown(row[mrr])) for row in whole.rows] == [
        (".", "2.2000 ± 0.0000", "0.7000 ± 0.0000"),
        ("old", "2.0000", "0.5000"),
        ("other", "2.0000", "0.5000"),
    ]
    assert [(row[0], shown(row[mrr])) for row in clean.rows] == [(".", "0.2500 ± 0.0000"), ("other", "0.5000")]
    assert whole.notes == (
        f"{tmp_path}/r/old/queries.npz: holds no ranked queries: record them anew",
        "p: of no difference in mrr from text only, by a permutation test over test examples (10,000 draws), not "
        "corrected for the number of rows",
    )
    one, other = (tmp_path / "r" / name for name in "01")
    code, _, _ = run("report", f"compare=[{one},{other}]", "resamples=50", f"output={tmp_path}/out.json")
    assert code == 0
    whole, clean, groups, _ = json.loads((tmp_path / "out.json").read_text())
    assert clean["title"] == "The same on the clean subset: 4 queries"
    assert (whole["rows"][1]["A"]["value"], clean["rows"][1]["A"]["value"]) == (0.7, 0.25)
    assert [(row["group"], row["queries"]) for row in groups["rows"][:2]] == [("leaked", 6), ("clean", 4)]


def test_what_refers_to_the_seed_makes_no_row_of_its_own(tmp_path: Path) -> None:
    for seed in range(3):
        folder = finished(tmp_path / str(seed), seed, f1=0.5 + seed / 10)
        own = {"drawn": {"seed": "${seed}"}, "pretraining": "runs/BERT_${seed}", "weights": "${pretraining}"}
        OmegaConf.save(OmegaConf.merge(OmegaConf.load(folder / "config.yaml"), own), folder / "config.yaml")
    other = finished(tmp_path / "other", 0, f1=0.2)
    OmegaConf.save(
        OmegaConf.merge(OmegaConf.load(other / "config.yaml"), {"weights": "runs/BERT_0"}), other / "config.yaml"
    )
    (table,) = list_runs(read_runs([tmp_path]))
    assert [row[table.columns.index("n")] for row in table.rows] == [3, 1]


def test_of_losses_and_perplexities_the_least_is_best(tmp_path: Path) -> None:
    for name, values in {"a": (0.5, 2.0, 9.0, 1.0), "b": (0.4, 3.0, 8.0, 2.0)}.items():
        measures = dict(zip(("f1", "words_loss", "perplexity", "replaced_share"), values, strict=True))
        finished(tmp_path / name, 0, HYBRID if name == "a" else TEXT, **measures)
    (table,) = list_runs(read_runs([tmp_path]))
    assert "replaced_share" not in table.columns
    best = {table.columns[column]: row for row, column in table.best}
    assert best == {"f1": 0, "words_loss": 0, "perplexity": 1}


def test_systems_are_a_table_of_means_over_seeds_with_intervals_and_the_best_stands_out(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    for seed in (0, 1):
        linked(tmp_path / "r" / str(seed), [1.0] * 5 + [2.0 + 2 * seed] * 5, seed, system="MKG_former")
    linked(tmp_path / "r" / "2", [1.0] * 4 + [3.0] * 6, backbone=ROTATE)
    begun(tmp_path / "r" / "3", 2, system="MKG_former", task="link_prediction")
    begun(tmp_path / "r" / "10_rotate", 0, ROTATE | {"dimension": 16}, task="link_prediction")
    begun(tmp_path / "r" / "9", 1, HYBRID, task="link_prediction")
    for kind in ("md", "csv", "tex", "json"):
        code, out, _ = run("report", f"table={tmp_path}/r", "resamples=200", f"output={tmp_path}/out.{kind}")
        assert code == 0
    lines = (tmp_path / "out.md").read_text("utf-8").splitlines()
    assert out.splitlines() == lines
    assert lines[0] == "link_prediction: 10 queries, 95 % intervals"
    assert lines[2] == (
        "| run | system | backbone.dimension | seed | n | mrr | mr | hits@1 | hits@3 | hits@5 | hits@10 | p |"
    )
    first, second, third, fourth = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:8])
    assert first[:5] == [".", "MKG_former", "", "0, 1", "2"]
    assert first[5].startswith("**0.6875 [")
    assert first[6].startswith("**2.0000 [")
    assert second[:5] == ["2", "RotatE", "8", "0", "1"]
    assert second[6].startswith("2.2000 [")
    assert third == ["9", "MKGformer without caf", "", "", "0", *[""] * 7]
    assert fourth == ["10_rotate", "RotatE", "16", "", "0", *[""] * 7]
    assert lines[8:-1] == ["", *(f"- {i} did not finish" for i in ("3 (seed 2)", "9 (seed 1)", "10_rotate (seed 0)"))]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert float(rows[0]["mrr low"]) < float(rows[0]["mrr"]) == 0.6875 < float(rows[0]["mrr high"])
    assert rows[3]["mrr"] == ""
    tex = (tmp_path / "out.tex").read_text().splitlines()
    assert tex[0] == "% link_prediction: 10 queries, 95 % intervals"
    assert tex[5:7] == [r"\begin{tabular}{llllrrrrrrrr}", r"\toprule"]
    assert tex[9].startswith(r". & MKG\_former &  & 0, 1 & 2 & \textbf{0.6875 [")
    assert tex[-2:] == [r"\bottomrule", r"\end{tabular}"]
    notes = [line[2:] for line in lines[9:]]
    assert tex[1:5] == [f"% {note}" for note in notes]
    assert json.loads((tmp_path / "out.json").read_text())[0]["notes"] == notes


def test_each_data_set_has_a_table_and_another_for_its_clean_subset(tmp_path: Path, run: Callable[..., Any]) -> None:
    for name, leaked in (("wn18", 6), ("wn18rr", 0)):
        for i, backbone in enumerate((ROTATE, TEXT)):
            ranks = [1.0 + i] * 6 + [4.0 - i] * 4
            folder = linked(tmp_path / name / str(i), ranks, leaked=leaked, backbone=backbone, data={"root": name})
            figures = json.loads((folder / "metrics.json").read_text()) | {"data": name}
            (folder / "metrics.json").write_text(json.dumps(figures))
    tables = list_runs(read_runs([tmp_path]), Statistics(True, 50))
    assert [table.title for table in tables] == [
        "link_prediction on wn18: 10 queries, 95 % intervals",
        "link_prediction on wn18, clean subset: 4 queries, 95 % intervals",
        "link_prediction on wn18rr: 10 queries, 95 % intervals",
    ]
    mrr = tables[1].columns.index("mrr")
    assert [(row[1], row[mrr][0]) for row in tables[1].rows] == [("RotatE", 0.25), ("text only", pytest.approx(1 / 3))]
    assert [sorted(table.best)[0] for table in tables] == [(0, mrr), (0, mrr + 2), (0, mrr)]
    code, _, _ = run("report", f"table={tmp_path}", "resamples=50", f"output={tmp_path}/out.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert (code, [row["table"] for row in rows[::2]]) == (0, [table.title for table in tables])


def test_a_sweep_of_which_nothing_finished_is_a_table_that_says_so(tmp_path: Path) -> None:
    begun(tmp_path / "0", 3, ROTATE)
    (table,) = list_runs(read_runs([tmp_path]))
    assert table.rows == [("0", "RotatE", "", 0)]
    assert table.notes == ("0 (seed 3) did not finish",)
    assert not table.best


def test_systems_that_ranked_different_queries_are_not_put_side_by_side(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    linked(tmp_path / "0", [1.0] * 4, system="one")
    linked(tmp_path / "1", [1.0] * 3, system="two")
    for asked in ("table", "runs"):
        code, _, err = run("report", f"{asked}={tmp_path}")
        assert (code, said(err)) == (2, "0 and 1: the runs ranked different queries: 4 and 3 of them")


@pytest.mark.slow
def test_what_cannot_be_reported_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    one, few = ranked(tmp_path / "a", [1.0] * 4), ranked(tmp_path / "b", [1.0] * 3)
    others, none = ranked(tmp_path / "c", [1.0] * 4, 1), finished(tmp_path / "none", f1=1.0)
    lost = finished(tmp_path / "z", task="link_prediction", mrr=1.0)
    for arguments, line in (
        ([], "give runs=…, table=…, compare=[A,B], errors=RUN or dashboard=TASK"),
        (["table=x"], "x: no config.yaml below this folder: no run has begun here"),
        (["runs=[]"], "runs=[]: give a folder, runs=DIR"),
        (["table=x", "resamples=0"], "resamples=0: must be a whole number of at least 1"),
        (["runs=x", "compare=[a,b]"], "runs and compare are two different things: give one"),
        (["runs=x"], "x: no config.yaml below this folder: no run has begun here"),
        ([f"runs=[{none},x]"], "x: no config.yaml below this folder: no run has begun here"),
        (
            [f"runs={none}", f"plots={none}/config.yaml"],
            f"plots={none}/config.yaml: {none}/config.yaml is a file, and a folder is wanted",
        ),
        ([f"compare=[{one},{few}]", "plots=p"], "plots= is for runs= and table=, not for compare=: leave it out"),
        (["runs=x", "output=x.txt"], "output=x.txt: must end with .md, .json, .csv, .tex"),
        ([f"runs={none}", "output=no/x.md"], f"output=no/x.md: there is no folder {tmp_path / 'no'}"),
        (["compare=x"], "compare=x: must be a list [text, …] or null"),
        (["compare=[x]"], "compare=['x']: give the folders of two runs, compare=[A,B]"),
        ([f"compare=[{one},{one}]", "resamples=0"], "resamples=0: must be a whole number of at least 1"),
        (
            [f"compare=[{one},{none}]"],
            f"{none}/predictions.jsonl: is not there: no predictions were recorded",
        ),
        ([f"compare=[{one},{lost}]"], f"{lost}/queries.npz: is not there: no ranked queries were recorded"),
        ([f"compare=[{one},{few}]"], "the runs ranked different queries: 4 and 3 of them"),
        ([f"compare=[{one},{others}]"], "the runs ranked different queries: 4 of 4 are not the same"),
        (
            [f"compare=[{one},{one}]", "output=x.csv"],
            "tables of different columns do not fit a .csv: choose output=FILE.md or FILE.json",
        ),
    ):
        code, out, err = run("report", *arguments)
        assert (code, out, said(err)) == (2, "", line)
    assert not [*tmp_path.glob("x*")]


DEEP = "".join("  " * i + "a:\n" for i in range(300))
LAUGHS = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{b}'] * 9)}]\n" for b, c in pairwise("abcdefghijk"))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("config.yaml", "- a list\n", BESIDE),
        ("config.yaml", "a: [\n", BESIDE),
        ("config.yaml", "a: ${\n", BESIDE),
        ("config.yaml", "", BESIDE),
        ("config.yaml", None, "is not there"),
        ("config.yaml", LAUGHS, "has aliases, which the settings of a run do not"),
        ("config.yaml", DEEP, TOO_DEEP),
        (
            "config.yaml",
            "a: " + "[" * 100_000,
            TOO_DEEP,
        ),
        ("config.yaml", "a: " + "x" * (5 << 20), "is larger than 4 MiB, which no run's is"),
        ("metrics.json", "{}", "has no figures under 'test': not those of a run"),
        ("metrics.json", '{"test": []}', "has no figures under 'test': not those of a run"),
        ("metrics.json", "{", "is no JSON: not the figures of a run"),
        ("metrics.json", "[" * 100_000, "is no JSON: not the figures of a run"),
        ("metrics.json", '{"test": {"f1": ' + "9" * 5000 + "}}", "is no JSON: not the figures of a run"),
        ("metrics.json", '{"test": {"f1": "high"}}', "the figure 'f1' is no number: high"),
        ("metrics.json", '{"test": {"f1": true}}', "the figure 'f1' is no number: True"),
    ],
)
def test_a_damaged_run_is_a_line_that_says_so(
    run: Callable[..., Any], tmp_path: Path, name: Any, text: Any, problem: Any
) -> None:
    finished(tmp_path / "runs" / "whole", f1=0.5)
    path = finished(tmp_path / "runs" / "damaged", 1, f1=1.0) / name
    path.unlink() if text is None else path.write_text(text)
    code, _, err = run("report", f"runs={tmp_path}/runs", "output=out.json")
    assert (code, err) == (0, "")
    (table,) = json.loads((tmp_path / "out.json").read_text())
    assert [(row["run"], row["f1"]) for row in table["rows"]] == [("whole", 0.5)]
    assert table["notes"] == [f"damaged cannot be used: {path}: {problem}"]


def test_figures_that_are_not_finite_are_shown_as_they_are(run: Callable[..., Any], tmp_path: Path) -> None:
    (finished(tmp_path / "runs" / "a") / "metrics.json").write_text('{"test": {"f1": NaN, "recall": Infinity}}')
    (finished(tmp_path / "runs" / "b", 1) / "metrics.json").write_text('{"test": {"f1": 1e400, "recall": 0.5}}')
    code, out, _ = run("report", f"runs={tmp_path}/runs")
    assert code == 0
    assert "nan" in out


def test_a_report_takes_no_file_of_a_run_for_its_output(run: Callable[..., Any], tmp_path: Path) -> None:
    folder = finished(tmp_path / "runs" / "one", f1=1.0)
    before = (folder / "metrics.json").read_text()
    code, _, err = run("report", f"runs={tmp_path}/runs", f"output={folder}/metrics.json")
    assert code == 2
    assert "which is read: give another file" in said(err)
    assert (folder / "metrics.json").read_text() == before


def test_a_damaged_record_of_queries_is_a_line_that_says_so(tmp_path: Path) -> None:
    linked(tmp_path / "whole", [1.0, 2.0, 4.0, 8.0])
    damaged = linked(tmp_path / "damaged", [1.0] * 4, 1, system="B") / "queries.npz"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (table,) = list_runs(read_runs([tmp_path]), Statistics(True, 100))
    assert f"{damaged}: holds no ranked queries: record them anew" in table.notes
