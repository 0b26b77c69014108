"""The end of a sweep: its table and plots, whatever became of its jobs."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import OmegaConf

from mkgc.app.endings import ending
from mkgc.errors import MkgcError
from mkgc.reports.callback import SweepReport
from tests.reports.test_groups import run_of, sweep


def job(folder: Path, mode: RunMode = RunMode.MULTIRUN) -> Any:
    """The configuration of a job of a sweep."""
    hydra = {"mode": mode, "sweep": {"dir": str(folder)}, "runtime": {"output_dir": str(folder / "1")}}
    return OmegaConf.create({"seed": 1, "task": {"name": "mre"}, "backbone": {"text": {}}, "hydra": hydra})


def failed(folder: Path, mode: RunMode = RunMode.MULTIRUN) -> None:
    error = JobReturn(status=JobStatus.FAILED, _return_value=MkgcError("the loss is NaN"))
    SweepReport().on_job_end(job(folder, mode), error)


def ended(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with ending():
        SweepReport().on_multirun_start(job(folder))
    return capsys.readouterr().out


def test_a_sweep_ends_with_its_table_and_leaves_it_with_plots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in (0, 1):
        run_of(tmp_path / str(i), {"optim": {"lr": i}}, i / 2)
    out = ended(tmp_path, capsys)
    assert "| 1 | 1 | 0 | 1 | **0.5000** |" in out
    assert (tmp_path / "table.md").read_text() in out
    assert (tmp_path / "table.csv").read_text().startswith("run,optim.lr,seed,n,f1\n")
    assert r"\toprule" in (tmp_path / "table.tex").read_text()
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"mre_optim.lr.png", "mre_optim.lr.svg"}


@ending()
def interrupted(folder: Path) -> None:
    SweepReport().on_multirun_start(job(folder))
    raise KeyboardInterrupt


def test_a_sweep_that_is_interrupted_or_fails_ends_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(sweep(tmp_path, **{str(i): f"seed={i}" for i in range(3)}) / "0", {"backbone": {"text": {}}})
    failed(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("- ")]
    assert notes == [f"- job 2 of {tmp_path} never began: seed=2", "- 1 (seed 1) failed: the loss is NaN"]


def test_one_job_has_no_table_and_a_sweep_of_which_nothing_began_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(tmp_path / "nothing", capsys) == ""
    run_of(sweep(tmp_path, **{"0": ""}) / "0", {})
    assert ended(tmp_path, capsys) == ""
    assert not (tmp_path / "table.md").exists()


def test_runs_that_cannot_be_compared_are_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in (0, 1):
        run_of(tmp_path / str(i), {"system": str(i)}, protocol=f"p{i}")
    with ending():
        SweepReport().on_multirun_start(job(tmp_path))
    out, err = capsys.readouterr()
    assert (out, err.startswith("no table: runs of mre that were tested on different protocol")) == ("", True)


def test_a_job_that_fails_in_a_folder_of_another_run_leaves_that_one_as_it_is(tmp_path: Path) -> None:
    before = (run_of(tmp_path / "1", {"system": "mine"}) / "config.yaml").read_text()
    failed(tmp_path)
    assert (tmp_path / "1" / "config.yaml").read_text() == before


def test_a_run_that_is_no_job_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    failed(tmp_path, RunMode.RUN)
    assert not [*tmp_path.iterdir()]
