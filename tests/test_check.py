"""`python -m mkgc.check`: 0 where training may go on, 1 where it may not, 2 where nothing can be read."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc import check
from tests.conftest import TINY


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Runs the command; returns its exit code, what it printed, its errors and its report, if there is one."""

    def command(*arguments: str) -> tuple[int, str, str, dict[str, Any]]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mkgc.check", *arguments, "output=out"])
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        try:
            check.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed, report = capsys.readouterr(), tmp_path / "out" / "report.json"
        return code, printed.out, printed.err, json.loads(report.read_text()) if report.is_file() else {}

    return command


def fatal(report: dict[str, Any]) -> list[str]:
    return [finding["text"] for finding in report["findings"] if finding["severity"] == "fatal"]


def titles(report: dict[str, Any]) -> list[str]:
    return [table["title"] for table in report["tables"]]


@pytest.mark.parametrize(
    ("task", "own"),
    [
        ("mre", ["Lengths", "Vocabulary", "Mentions"]),
        ("mner", ["Lengths", "Vocabulary", "Tags"]),
        ("link_prediction", ["Leaks", "Unseen in train", "Texts", "Degrees", "Prompts, in pieces", "Vocabulary"]),
    ],
)
def test_a_data_set_of_each_task_gets_its_report(
    run: Callable[..., Any], roots: dict[str, Path], tmp_path: Path, task: Any, own: Any
) -> None:
    code, out, err, report = run(f"task={task}", f"data.root={roots[task]}", *TINY)
    assert (code, err) == (0, "")
    assert titles(report) == ["Counts", "Sizes", "Repetitions", *own, "Images", "Files"]
    assert "training may go on" in out
    assert "written to out/report.html and out/report.json" in out
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_a_broken_image_is_named_and_the_policy_decides(run: Callable[..., Any], mre_root: Path) -> None:
    (mre_root / "img_org" / "train" / "0.png").write_bytes(b"")
    where = f"data.root={mre_root}"
    code, _, _, report = run(where, *TINY)
    assert code == 0
    (broken,) = (table for table in report["tables"] if table["title"] == "Broken images")
    assert broken["rows"] == [["empty", 1, "img_org/train/0.png"]]
    code, out, _, report = run(where, *TINY, "data.bad_images=fail")
    assert code == 1
    assert fatal(report) == ["1 image cannot be used, and data.bad_images=fail"]
    assert "training may not go on" in out
    code, _, _, report = run(where, *TINY, "data.min_image_coverage=1.0")
    assert code == 1
    assert fatal(report) == [
        "23 of 24 examples of train (95.8%) have a usable image in 'image', data.min_image_coverage=1.0 asks for more"
    ]


def test_a_split_of_which_skipping_leaves_nothing_is_fatal(run: Callable[..., Any], mre_root: Path) -> None:
    shutil.rmtree(mre_root / "img_org" / "val")
    code, _, _, report = run(f"data.root={mre_root}", *TINY, "data.bad_images=skip")
    assert code == 1
    assert fatal(report) == ["8 of 8 examples of dev are left out: data.bad_images=skip"]


def test_a_malformed_line_is_one_line_and_leaves_no_report(run: Callable[..., Any], mre_root: Path) -> None:
    path = mre_root / "txt" / "ours_val.txt"
    path.write_text("{'token': ['Ada'\n")
    code, _, err, report = run(f"data.root={mre_root}", *TINY)
    assert (code, report) == (2, {})
    assert err == f"mkgc: {path}:1: not a Python dictionary: {{'token': ['Ada'\n"


def test_a_folder_that_cannot_be_written_is_one_line(run: Callable[..., Any], mre_root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    code, _, err, _ = run(f"data.root={mre_root}", *TINY)
    assert (code, err) == (2, f"mkgc: output=out: {tmp_path / 'out'} is a file, and a folder is wanted\n")


def test_markup_in_the_data_stays_text(run: Callable[..., Any], mner_root: Path, tmp_path: Path) -> None:
    for path in mner_root.glob("*.txt"):
        path.write_text(path.read_text().replace("LOC", "<script>"))
    code, _, _, report = run("task=mner", f"data.root={mner_root}", *TINY)
    assert code == 0
    assert any(row[0] == "<script>" for row in report["tables"][0]["rows"])
    assert "<script>" not in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_the_embedded_data_may_be_trained_on(run: Callable[..., Any], tmp_path: Path) -> None:
    code, _, _, report = run("task=mner", f"data.root={tmp_path}/atlas/mner")
    assert (code, fatal(report)) == (0, [])


def test_a_name_that_is_not_known_is_said(run: Callable[..., Any], mre_root: Path) -> None:
    _, _, _, report = run(f"data.root={mre_root}", *TINY, "++data.name=mine")
    assert any(f["text"].startswith("data.name=mine is not known here; known are mnre") for f in report["findings"])
