"""`python -m benchmarks.steps TREE …`: steps of training a second, as each checkout of this project makes them.

They take turns. A command trains in a process of its own, and is ended after some steps;
the first ones are not counted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.full_size import ENCODERS
from benchmarks.runs import fill, machine

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: python -m benchmarks.steps -->", "<!-- end of steps per second table -->"
ROUNDS = 3

TIMED = """
import os, runpy, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook

first, last, times = int(sys.argv[1]), int(sys.argv[2]), []

def stepped(*_):
    times.append(time.process_time())
    if len(times) == last:
        print("seconds a step:", (times[-1] - times[first - 1]) / (last - first), flush=True)
        os._exit(0)

register_optimizer_step_post_hook(stepped)
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module, and prints what a step takes between two of them."""


class Case(NamedTuple):
    """What is trained, and the steps between which it is timed."""

    name: str
    keys: tuple[str, ...]
    first: int = 10
    last: int = 50


CASES = (
    Case("mre, small", ("task=mre",)),
    Case("mner, small", ("task=mner",)),
    Case("link_prediction, small", ("task=link_prediction",)),
    Case("mre, base", ("task=mre", *ENCODERS, "data.batch_size=8"), 2, 6),
)


def seconds(case: Case, tree: Path, folder: Path) -> float:
    """Seconds a step of one run in ``folder``, where the Atlas is built the first time."""
    environment = os.environ | {"PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    words = (str(case.first), str(case.last), "mkgc.train", *case.keys, "trainer.enable_progress_bar=false")
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{case.name} in {tree}: exit code {done.returncode}\n{done.stderr}")
    return float(done.stdout.rpartition(":")[2])


def compare(trees: Sequence[Path]) -> str:
    """The table: medians of some rounds."""
    lines = [f"| steps a second | {' | '.join(tree.name for tree in trees)} |", f"| --- |{' --- |' * len(trees)}"]
    with TemporaryDirectory() as name:
        folders = [Path(name) / str(i) for i in range(len(trees))]
        for folder in folders:
            folder.mkdir()
        for case in CASES:
            rounds = [[seconds(case, *place) for place in zip(trees, folders, strict=True)] for _ in range(ROUNDS)]
            medians = [1 / statistics.median(found) for found in zip(*rounds, strict=True)]
            lines.append(f"| {case.name} | {' | '.join(f'{value:.2f}' for value in medians)} |")
            print(lines[-1], flush=True)
    return "\n".join([*lines, "", f"Medians of {ROUNDS} rounds; {machine()}."])


def main() -> None:
    """The command."""
    trees = [Path(word).resolve() for word in sys.argv[1:]] or [Path(__file__).parent.parent.resolve()]
    fill(PAGE, BEGIN, END, compare(trees))


if __name__ == "__main__":
    main()
