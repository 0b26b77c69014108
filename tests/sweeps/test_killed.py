"""The proof: a sweep killed with SIGKILL in the middle and started again ends as one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.sweeps.conftest import QUICK, figures

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("launcher", [(), ("launcher=local", "launcher.jobs=2")], ids=["alone", "local"])
def test_a_sweep_that_is_killed_and_started_again_ends_as_one_left_alone(
    launcher: Sequence[str], kg_root: Path, tmp_path: Path
) -> None:
    words = ("-m", f"data.root={kg_root}", *TINY, *QUICK, "task.epochs=40", "patience=null", "seed=0,1,2,3", *launcher)
    sweep = _started(tmp_path, *words, "hydra.sweep.dir=killed")
    _await(lambda: (tmp_path / "killed" / "0" / "metrics.json").is_file())
    _await(lambda: any((tmp_path / "killed" / name / "last.ckpt").is_file() for name in ("1", "2", "3")))
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    assert len(figures(tmp_path / "killed")) < 4
    assert not (tmp_path / "killed" / "table.md").exists()
    for folder in ("killed", "whole"):
        done = _started(tmp_path, *words, f"hydra.sweep.dir={folder}")
        assert done.wait(timeout=300) == 0, (tmp_path / "printed").read_text()
    assert figures(tmp_path / "killed") == figures(tmp_path / "whole")
    assert (tmp_path / "killed" / "table.md").read_text() == (tmp_path / "whole" / "table.md").read_text()


def _started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mkgc.train", *words]
    with (folder / "printed").open("a") as printed:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)


def _await(condition, seconds: float = 200) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
