"""A dashboard is made without a network, of a task or of runs, and shows what is logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from mkgc.errors import ConfigError, DataError
from mkgc.tracking.dashboards import Subject, as_json, build, save, subject
from tests.conftest import said


def a_run(folder: Path, task: str = "mre", metric: str = "f1", mode: str = "max") -> Path:
    folder.mkdir()
    dev = {metric: 0.5, "precision": 0.4, "PER/f1": 0.1, "support": 9}
    figures = {"task": task, "metric": metric, "mode": mode, "dev": dev, "test": dev, "run": folder.name}
    (folder / "metrics.json").write_text(json.dumps(figures))
    (folder / "config.yaml").write_text(f"run: {folder.name}\nlogger: {{project: mine}}\ntask: {{name: {task}}}\n")
    return folder


def panels(text: str) -> list[dict[str, Any]]:
    sections = json.loads(text)["spec"]["section"]["panelBankConfig"]["sections"]
    return [panel for section in sections for panel in section["panels"]]


def test_a_dashboard_of_runs_shows_their_figures_and_them_alone(tmp_path: Path) -> None:
    of = subject([str(a_run(tmp_path / "one")), str(a_run(tmp_path / "two"))])
    assert of == Subject("mre", "f1", "max", ("f1", "precision"), ("one", "two"), "mine")
    text = as_json(build(of, "me"))
    made = json.loads(text)
    assert (made["entity"], made["project"], made["displayName"]) == ("me", "mine", "mkgc mre")
    drawn = json.dumps([panel["config"] for panel in panels(text)])
    for key in ("train/loss", "^lr(/.*)?$", "train/examples_per_second", "dev/f1", "dev/precision", "test/f1"):
        assert json.dumps(key)[1:-1] in drawn, key
    assert "PER/f1" not in drawn
    for key in ("test/predictions", "test/confusion_table", "test/explanations"):
        assert key in drawn, key
    filters = json.dumps(made["spec"]["section"]["runSets"][0]["filters"])
    assert '"one"' in filters
    assert '"mre"' in filters


@pytest.mark.parametrize(("mode", "ascending"), [("max", False), ("min", True)])
def test_the_best_run_comes_first(mode: Any, ascending: bool) -> None:
    made = json.loads(as_json(build(Subject("mre", "f1", mode))))
    (key,) = made["spec"]["section"]["runSets"][0]["sort"]["keys"]
    assert (key["key"]["name"], key["ascending"]) == ("test/f1", ascending)


def test_runs_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    one, two = a_run(tmp_path / "one"), a_run(tmp_path / "two", "mner")
    with pytest.raises(DataError, match="two: is a run of mner, and .*one one of mre"):
        subject([str(one), str(two)])
    with pytest.raises(DataError, match="none: is not there: a dashboard is of one task, or of runs"):
        subject([str(tmp_path / "none"), "mre"])
    (one / "metrics.json").unlink()
    with pytest.raises(DataError, match="one: has no figures: the run has not ended"):
        subject([str(one)])


@pytest.mark.parametrize(("task", "metric"), [("mre", "f1"), ("mner", "f1"), ("link_prediction", "mrr")])
def test_every_task_has_a_dashboard(run: Callable[..., Any], task: str, metric: str, tmp_path: Path) -> None:
    code, out, err = run("report", f"dashboard={task}", "output=board.json")
    assert (code, err) == (0, "")
    made = json.loads((tmp_path / "board.json").read_text())
    assert made["displayName"] == f"mkgc {task.replace('_', ' ')}"
    assert f"test/{metric}" in json.dumps(panels((tmp_path / "board.json").read_text()))
    assert "board.json" in out


def test_a_dashboard_of_nothing_is_one_line(run: Callable[..., Any]) -> None:
    code, _, err = run("report", "dashboard=mri", "output=board.json")
    assert code == 2
    assert said(err).startswith("dashboard=mri: neither a task nor the folder of a run: ")


def test_without_a_login_the_file_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "login", lambda prompt: False)
    with pytest.raises(ConfigError, match=r"nobody is logged in.*output=FILE.json writes it without the service$"):
        save(Subject("mre", "f1"))


def test_a_service_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise wandb.errors.CommError("it does not\nanswer")

    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(ConfigError, match=r"Weights & Biases: it does not\\nanswer; output=FILE.json"):
        save(Subject("mre", "f1"))
