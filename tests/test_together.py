"""Two real processes in one group: every backbone of every task learns in them what one process learns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from mkgc.training.steps import LargeBatch
from tests.conftest import TINY, composed
from tests.steps import ENOUGH, PAIRS, REST, built, collated, of_one_step, without_chance

pytestmark = pytest.mark.slow

SHARES = (range(5), range(5, 8))
"""The second process has a smaller share, whose images are taken away."""


SUMMED = [(task, keys) for task, keys in [*ENOUGH, *REST] if task != PAIRS]
"""Tasks whose loss is a sum over examples; pairs are compared with each other's (tests/models/test_processes.py)."""


class Loss(nn.Module):
    """The loss of a task where DistributedDataParallel expects a network's output."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        self.task = task

    def forward(self, batch: Any) -> Tensor:
        return self.task.loss(batch)


def _total(weight: Tensor) -> Tensor:
    distributed.all_reduce(weight)
    return weight


def _compare(rank: int, port: int, roots: dict[str, Path], out: Path) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    distributed.init_process_group("gloo", rank=rank, world_size=2, timeout=timedelta(seconds=120))
    with pytest.MonkeyPatch.context() as patch:
        without_chance(patch)
        wrong = [line for task, keys in SUMMED if (line := _difference(rank, roots[task], task, keys))]
    distributed.destroy_process_group()
    (out / f"{rank}.txt").write_text("\n".join(wrong))


def _difference(rank: int, root: Path, name: str, keys: tuple[str, ...]) -> str:
    """What differs between two processes and one; nothing, if all is well."""
    task, dataset = built(composed(f"task={name}", f"data.root={root}", *TINY, *keys))
    task.double()
    shares = [collated(task, dataset, SHARES[0]), collated(task, dataset, SHARES[1], images="kge" in str(keys))]
    expected = {key: gradient.clone() for key, gradient in of_one_step(task, shares).items() if gradient is not None}
    task.zero_grad()
    step, both = LargeBatch(), DistributedDataParallel(Loss(task))
    step.summed(both(shares[rank]), task.weight(shares[rank]), 2).backward()
    step.divide(task.parameters(), 2, _total)
    for key, parameter in task.named_parameters():
        if parameter.requires_grad and not torch.allclose(parameter.grad, expected[key], rtol=1e-6, atol=1e-6):
            return f"{name} {keys} {key}"
    return ""


def test_two_processes_of_which_one_has_no_images_learn_what_one_process_does(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    spawn(_compare, (_free_port(), roots, tmp_path), nprocs=2)
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == ["", ""]


def _free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("told", ["first", "second"])
def test_two_processes_end_together_when_one_of_them_is_told_to(told: str, mre_root: Path, tmp_path: Path) -> None:
    two = ("trainer.devices=2", "+trainer.strategy=ddp", "hydra.run.dir=run", "task.epochs=5000", "patience=5000")
    command = [sys.executable, "-m", "mkgc.train", "task=mre", f"data.root={mre_root}", *TINY, *two]
    with (tmp_path / "err").open("w") as err, subprocess.Popen(command, cwd=tmp_path, stderr=err) as run:
        while not (tmp_path / "run" / "last.ckpt").exists() and run.poll() is None:
            time.sleep(0.2)
        others = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(run.pid if told == "first" else int(others[0]), signal.SIGTERM)
        assert run.wait(timeout=60) == 143
    lines = [line for line in (tmp_path / "err").read_text().splitlines() if line.startswith("mkgc:")]
    assert len(lines) == 1
    assert not [pid for pid in others if Path(f"/proc/{pid}").exists()]
