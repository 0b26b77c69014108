"""`python -m benchmarks.steps TREE …`: steps of training a second, as each checkout of this project makes them.

They take turns. A command trains in a process of its own, and is ended after some steps;
the first ones are not counted.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.full_size import ENCODERS
from benchmarks.runs import checkouts, fill, machine, printed

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
    run = ("mkgc.train", *case.keys, "trainer.enable_progress_bar=false")
    said = printed(("-c", TIMED, str(case.first), str(case.last), *run), tree, folder)
    return float(said.rpartition(":")[2])


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


if __name__ == "__main__":
    fill(PAGE, BEGIN, END, compare(checkouts(sys.argv[1:])))
