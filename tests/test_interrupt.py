"""Ctrl-C in a terminal, to a process of its own, in each of the steps of a run."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY

PROGRAM = """
import sys
from hydra.utils import get_object
from mkgc import train

module, name, times = sys.argv[1].rpartition(".")[0], sys.argv[1].rpartition(".")[2], int(sys.argv[2])
owner = get_object(module)
step, calls = getattr(owner, name), 0

def endless(*arguments, **options):
    global calls
    calls = None if calls is None else calls + 1
    while calls is None or calls > times:  # it computes until it is told to end
        step(*arguments, **options)
        if calls is not None:
            print("begun", flush=True)
            calls = None
    return step(*arguments, **options)

setattr(owner, name, endless)
sys.argv = ["mkgc.train", *sys.argv[3:]]
train.main()
"""

NOTHING = "no epoch was finished, so nothing is saved: start again"
SAVED = "epochs? (is|are) saved: go on with the same keys and 'resume="


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "times", "keys", "saved"),
    [
        ("tasks.link_prediction.stage1.mask_vectors", 0, (), NOTHING),
        ("tasks.link_prediction.task.LinkPrediction.losses", 1, ("data.batch_size=64", "data.workers=1"), SAVED),
        ("tasks.link_prediction.ranked.Ranked.update_metric", 1, ("data.batch_size=64",), SAVED),
        ("tasks.link_prediction.ranked.Ranked.after_fit", 0, ("data.batch_size=64",), SAVED),
        ("tasks.link_prediction.ranked.Ranked.after_test", 0, ("data.batch_size=64",), SAVED),
    ],
    ids=["stage 1", "epochs", "ranking", "calibration", "test"],
)
def test_ctrl_c_ends_a_run_with_one_line_that_says_what_is_saved(
    step: str, times: int, keys: tuple[str, ...], saved: str, kg_root: Path, tmp_path: Path
) -> None:
    root = Path(__file__).parents[1]
    given = ["task=link_prediction", f"data.root={kg_root}", *TINY, "task.epochs=2", *keys, "hydra.run.dir=here"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, step, str(times), *given],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "begun\n" in process.stdout, "the step was never made"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    (line,) = err.strip().splitlines()
    assert re.match(f"mkgc: interrupted; (\\d )?{saved}", line)
    if saved is SAVED:
        assert (tmp_path / "here" / "last.ckpt").is_file()
        assert Path(shlex.split(line)[-1].partition("=")[2].strip('"')) == tmp_path / "here" / "last.ckpt"
    assert not (tmp_path / "here" / "metrics.json").exists()
