"""A sweep survives its failing jobs, says what each job reached, and started again runs what is missing."""

import fcntl
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import said
from tests.sweeps.conftest import figures

Sweep = Callable[..., tuple[int, str, str]]


def lines(out: str, start: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith(start) and ", epoch" not in line]


@pytest.mark.slow
def test_each_job_ends_with_a_line_of_what_it_alone_has_and_its_result(sweep: Sweep, tmp_path: Path) -> None:
    code, out, err = sweep("seed=0,1")
    assert (code, err) == (0, "")
    assert lines(out, "sweep:") == ["sweep: 2 jobs; into sweep"]
    mrr = {name: test["mrr"] for name, (*_, test) in figures(tmp_path / "sweep").items()}
    said = [line.partition(";")[0] for line in lines(out, "job ")]
    assert said == [f"job {i} (seed={i}): link_prediction: test mrr {mrr[str(i)]:.4f}" for i in (0, 1)]
    assert (tmp_path / "sweep" / "sweep.log").read_text().splitlines() == lines(out, "job ")


@pytest.mark.slow
def test_a_sweep_started_again_runs_only_what_is_missing_whatever_its_number(sweep: Sweep, tmp_path: Path) -> None:
    sweep("seed=0,1")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweep/*/metrics.json")}
    code, out, _ = sweep("seed=3,1,0")
    assert code == 0
    assert lines(out, "sweep:") == ["sweep: 3 jobs (2 finished before); into sweep"]
    assert [line.endswith("(finished before)") for line in lines(out, "job ")] == [False, True, True]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {name: seed for name, (seed, *_) in figures(tmp_path / "sweep").items()} == {"0": 0, "1": 1, "2": 3}


@pytest.mark.slow
def test_a_job_that_fails_ends_no_sweep_and_is_said_at_the_end(sweep: Sweep, tmp_path: Path) -> None:
    code, out, err = sweep("backbone.width=8,-1,16", "hydra.sweeper.max_batch_size=1")
    assert code == 2
    first, last = err.splitlines()
    assert first.endswith("job 1 (backbone.width=-1): a structure model with width=-1: there must be at least 1")
    assert last == "mkgc: 1 of 3 jobs failed: job 1 (backbone.width=-1)"
    assert {*figures(tmp_path / "sweep")} == {"0", "2"}
    code, out, _ = sweep("backbone.width=8,4,16")
    assert code == 0
    assert [line.endswith("(finished before)") for line in lines(out, "job ")] == [False, True, True]


@pytest.mark.slow
def test_an_interrupted_job_goes_on_and_ends_as_if_it_had_not_been(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.link_prediction.structure import StructurePrediction

    losses = StructurePrediction.losses

    def told_in_the_second_epoch(self: Any, batch: Any) -> Any:
        if self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(StructurePrediction, "losses", told_in_the_second_epoch)
        code, _, err = sweep("seed=0,1", "task.epochs=3")
    assert code == 143
    assert said(err) == (
        "terminated; what has ended is kept: go on with the same command and 'hydra.sweep.dir=\"sweep\"'"
    )
    code, _, err = sweep("seed=0,1", "task.epochs=3")
    assert (code, err) == (0, "")
    assert not [*(tmp_path / "sweep").glob("*/.replaced")]
    code, _, _ = sweep("seed=0,1", "task.epochs=3", "hydra.sweep.dir=whole")
    assert figures(tmp_path / "sweep") == figures(tmp_path / "whole")


@pytest.mark.slow
def test_damaged_half_written_and_foreign_runs_are_a_line_each_and_their_jobs_are_run(
    sweep: Sweep, tmp_path: Path
) -> None:
    sweep("seed=0,1,2,3")
    whole, folder = figures(tmp_path / "sweep"), tmp_path / "sweep"
    (folder / "0" / "metrics.json").write_text('{"test": ')
    (folder / "1" / "config.yaml").write_text("{")
    (folder / "2" / "metrics.json").unlink()
    (folder / "2" / "last.ckpt").write_bytes(b"PK\3\4 and no more")
    text = (folder / "3" / "config.yaml").read_text()
    (folder / "3" / "config.yaml").write_text(text.replace("seed: 3", "seed: 33"))
    foreign = (folder / "3" / "metrics.json").read_bytes()
    code, out, err = sweep("seed=0,1,2,3")
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("sweep/")]
    assert told == [
        "sweep/0/metrics.json: is no JSON: not the figures of a run: its job goes on from its last checkpoint",
        "sweep/1/config.yaml: cannot be read: a run's folder has its settings beside metrics.json; it now lies in "
        "sweep/1/.replaced/1, and its job is run again",
        "sweep/2/last.ckpt: is damaged; it now lies in sweep/2/.replaced/1, and its job is run again",
        "sweep/3 holds a run of other settings, which stays there: the job has another folder",
    ]
    assert (folder / "3" / "metrics.json").read_bytes() == foreign
    again = figures(folder)
    assert {name: again["4" if name == "3" else name] for name in whole} == whole


@pytest.mark.slow
def test_jobs_of_equal_settings_are_one_run(sweep: Sweep, tmp_path: Path) -> None:
    code, out, _ = sweep("backbone.width=8,8")
    assert code == 0
    assert [line.endswith("(finished before)") for line in lines(out, "job ")] == [False, True]
    assert [*figures(tmp_path / "sweep")] == ["0"]


def test_two_sweeps_do_not_share_a_folder_at_once(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    lock = os.open(tmp_path / "sweep", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        code, _, err = sweep("seed=0,1")
    finally:
        os.close(lock)
    assert (code, said(err)) == (2, "another sweep runs in sweep: wait for it, or give hydra.sweep.dir=DIR")


@pytest.mark.slow
def test_a_run_of_a_sweep_holds_nothing_of_the_sweep(sweep: Sweep, tmp_path: Path) -> None:
    sweep("seed=0,1")
    text = (tmp_path / "sweep" / "0" / "config.yaml").read_text()
    assert "\nlauncher" not in text
    assert "resume: null" in text
    assert json.loads((tmp_path / "sweep" / "0" / "metrics.json").read_text())["seed"] == 0


def test_a_key_that_no_job_may_have_is_a_line_before_anything_runs(sweep: Sweep, tmp_path: Path) -> None:
    code, _, err = sweep("seed=0,1", "launcher=ray", "launcher.jobs=0")
    assert (code, said(err)) == (2, "launcher.jobs=0: must be a whole number of at least 1")
    assert not (tmp_path / "sweep").exists()


def test_a_program_does_not_sweep() -> None:
    import mkgc
    from mkgc.errors import ConfigError

    with pytest.raises(ConfigError, match="this is a sweep, and a program makes one run"):
        mkgc.train("experiment=ablation", "data.root=nowhere")
