"""How a command ends: told to by a signal, by a full disk, by a bug, alone and in a sweep."""

import errno
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from mkgc.app.bugs import explain_disk
from mkgc.app.files import atomic_write
from mkgc.app.folders import drop_stale
from mkgc.app.sealed import write_sealed
from mkgc.app.signals import Ended, in_order
from mkgc.training.kept import KeepBest
from tests.conftest import TINY, said


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_ends_training_with_its_own_exit_code_and_keeps_what_was_saved(
    number: signal.Signals,
    code: int,
    run: Callable[..., Any],
    mre_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tasks.mre.task import RelationExtraction

    losses = RelationExtraction.losses

    def told_in_the_second_epoch(self: Any, batch: Any) -> Any:
        if self.current_epoch == 1:
            os.kill(os.getpid(), number)
        return losses(self, batch)

    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(RelationExtraction, "losses", told_in_the_second_epoch)
    ended, _, err = run("train", f"data.root={mre_root}", *TINY, "task.epochs=3", "hydra.run.dir=here")
    assert ended == code
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    assert said(err) == f"{word}; 1 epoch is saved: go on with the same keys and 'resume=\"{tmp_path}/here/last.ckpt\"'"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    monkeypatch.setattr(RelationExtraction, "losses", losses)
    again, _, err = run(
        "train", f"data.root={mre_root}", *TINY, "task.epochs=3", "hydra.run.dir=here", *shlex.split(err)[-1:]
    )
    assert again == 0, err
    assert (tmp_path / "here" / "metrics.json").is_file()


def test_a_run_that_is_told_to_end_before_its_first_epoch_is_over_says_that_nothing_is_saved(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.mre.task.RelationExtraction.losses", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    arguments = ("train", f"data.root={mre_root}", *TINY, "task.epochs=2", "hydra.run.dir=here")
    code, _, err = run(*arguments)
    assert code == 143
    assert said(err) == "terminated; no epoch was finished, so nothing is saved: start again"
    assert not [*(tmp_path / "here").glob("*.ckpt")]


def test_a_resumed_run_that_ends_within_an_epoch_goes_on_from_where_it_began() -> None:
    kept = KeepBest(Path("new"), None)
    line = "no further epoch was finished: go on with the same keys and 'resume=\"old/last.ckpt\"'"
    assert kept.way_on("old/last.ckpt") == line


def test_what_a_signal_cuts_short_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before")
    with pytest.raises(Ended), in_order(), atomic_write(tmp_path / "out") as beside:  # noqa: PT012
        beside.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "before"


def test_a_signal_amid_a_checkpoint_ends_in_order_though_torch_complains(tmp_path: Path) -> None:
    class Killed:
        """A file to whose second part its process is told to end."""

        def __init__(self, file: BinaryIO) -> None:
            self.file, self.parts = file, 0

        def write(self, part: bytes) -> int:
            self.parts += 1
            if self.parts == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return self.file.write(part)

    with pytest.raises(Ended, match="terminated"), in_order():
        write_sealed(tmp_path / "last.ckpt", lambda file: torch.save({"w": torch.ones(9)}, Killed(file)))
    assert not [*tmp_path.iterdir()]


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for pid in (11, 12):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        OmegaConf.register_new_resolver("pid", os.getpid, use_cache=True, replace=True)
        with initialize_config_module("conf", version_base="1.3"):
            hydra = compose("train", ["task=mre"], return_hydra_config=True).hydra
        places += [hydra.run.dir, hydra.sweep.dir]
        assert hydra.run.dir == places[-2]
    assert len({*places}) == 4
    assert all(place.startswith("runs/mre/") for place in places)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", "..", ".", "''", "a\tb"])
def test_a_name_of_a_task_cannot_leave_the_folder_of_runs(
    name: str, run: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    before = {*tmp_path.parent.iterdir()}
    code, _, err = run("train", f"data.root={mre_root}", *TINY, f"task.name={name}")
    assert code == 2
    assert "names a folder in runs/" in said(err)
    assert not (tmp_path / "runs").exists()
    assert {*tmp_path.parent.iterdir()} == before


def test_what_dead_processes_had_half_written_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    dead = 4_194_305  # beyond the largest number that Linux gives
    for name in (f".last.ckpt.{dead}", f".last.ckpt.{os.getppid()}", ".hidden", "best.ckpt"):
        (tmp_path / name).touch()
    drop_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", f".last.ckpt.{os.getppid()}", "best.ckpt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_disk_that_takes_no_more_is_told_with_the_name_of_the_file(number: int, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(OSError, match="Errno") as caught, atomic_write(path) as beside:  # noqa: PT012
        beside.write_text("half")
        raise OSError(number, os.strerror(number))
    line = explain_disk(caught.value, tmp_path)
    assert line is not None
    assert line.startswith(f"{path}: {os.strerror(number)}")
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    code, _, err = run("train", f"data.root={mre_root}", *TINY, "task.epochs=1", "hydra.run.dir=here")
    assert code == 0, err
    kept = (here / "last.ckpt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("torch.save", full)
    resumed = ("resume=here/last.ckpt", "task.epochs=2", "hydra.run.dir=here")
    code, _, err = run("train", f"data.root={mre_root}", *TINY, *resumed)
    assert code == 2
    assert said(err).endswith("best.ckpt: No space left on device: make room; what was saved before is kept")
    assert (here / "last.ckpt").read_bytes() == kept
    assert not [path for path in here.iterdir() if path.name.startswith(".") and path.suffix[1:].isdecimal()]


def test_only_faults_of_the_disk_are_told_as_such(tmp_path: Path) -> None:
    assert explain_disk(OSError(errno.ENOSPC, "No space left"), tmp_path) is not None
    assert explain_disk(PermissionError(errno.EACCES, "Permission denied"), tmp_path) is None
    assert explain_disk(FileNotFoundError(errno.ENOENT, "No such file", "x"), tmp_path) is None
    assert explain_disk(ValueError("no space left"), tmp_path) is None


def test_a_bug_is_one_line_that_says_where_its_traceback_is(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.mre.task import RelationExtraction

    def broken(*_: object) -> None:
        raise KeyError("a bug\x1b[31m")

    monkeypatch.setattr(RelationExtraction, "losses", broken)
    code, _, err = run("train", f"data.root={mre_root}", *TINY, "hydra.run.dir=here")
    assert code == 1
    assert "\x1b" not in err
    log = Path(said(err).rpartition(" ")[2])
    assert log.parent == tmp_path / "here"
    assert "in broken" in log.read_text()


def test_a_bug_outside_of_a_run_is_kept_in_a_temporary_file(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("mkgc.report.report", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, _, err = run("report", "runs=nowhere")
    assert code == 1
    assert "in broken" in Path(said(err).rpartition(" ")[2]).read_text()


@pytest.mark.slow
def test_a_job_of_a_sweep_that_fails_is_one_line_with_its_name(
    run: Callable[..., Any], mre_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ("-m", f"data.root={mre_root}", *TINY, "task.epochs=1", "size.fused=9,1", "hydra.sweep.dir=sweep")
    code, out, err = run("train", *sweep)
    assert code == 2
    line, last = err.splitlines()
    assert line.startswith("mkgc: job 0 (size.fused=9): backbone.fused=9 must lie between 1 and 2")
    assert last == "mkgc: 1 of 2 jobs failed: job 0 (size.fused=9)"
    assert "mre: test f1" in out  # the other job
    assert sys.exc_info() == (None, None, None)


@pytest.mark.slow
def test_a_sweep_over_several_processes_is_refused_before_anything_is_read(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    code, _, err = run("train", "-m", "task=mre", "data=folder", "data.root=nowhere", "trainer.devices=2", "seed=0,1")
    err = err.splitlines()[0]
    assert code == 2
    assert "give trainer.devices=1, or no -m" in said(err)


def _full(path: Path, *_: object) -> None:
    path.touch()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
def test_a_full_disk_is_one_line_in_every_command_and_what_was_there_stays(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("task=mre", f"data.root={mre_root}", *TINY)
    assert run("train", *where, "task.epochs=1", "hydra.run.dir=here")[0] == 0
    record = {"tokens": ["Ada", "and", "Bob"], "head": [0, 1], "tail": [2, 3]}
    (tmp_path / "in").write_text(json.dumps(record) + "\n")
    outputs = {
        "predict": (tmp_path / "out.jsonl", ("checkpoint=here/best.ckpt", "input=in", "output=out.jsonl")),
        "evaluate": (tmp_path / "out.json", ("checkpoint=here/best.ckpt", "output=out.json")),
        "report": (tmp_path / "out.md", ("runs=here", "output=out.md")),
        "check": (tmp_path / "out" / "report.html", (*where, "output=out")),
    }
    (tmp_path / "out").mkdir()
    monkeypatch.setattr("pathlib.Path.write_text", _full)
    for verb, (output, arguments) in outputs.items():
        output.write_bytes(b"earlier")
        before = sorted(tmp_path.rglob("*"))
        code, _, err = run(verb, *arguments)
        assert code == 2, verb
        assert said(err) == f"{output}: No space left on device: make room; what was saved before is kept"
        assert output.read_bytes() == b"earlier"
        assert sorted(tmp_path.rglob("*")) == before
