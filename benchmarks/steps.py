"""`python -m benchmarks.steps TREE …`: steps of training a second of processor time, as each checkout makes them.

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
from benchmarks.runs import UNTIL_STEP, checkouts, fill, machine, printed

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: python -m benchmarks.steps -->", "<!-- end of steps per second table -->"
ROUNDS = 3


class Case(NamedTuple):
    """What is trained, and the steps between which it is timed."""

    name: str
    keys: tuple[str, ...]
    first: int = 10
    last: int = 50


CASES = (
    Case("mre, small", ("task=mre",)),
    Case("mner, small", ("task=mner",)),
    Case("link_prediction, small", ("task=link_prediction",), 200, 240),  # 195 are of stage 1
    Case("mre, base", ("task=mre", *ENCODERS, "data.batch_size=8"), 2, 6),
)


def seconds(case: Case, tree: Path, folder: Path) -> float:
    """Seconds of processor time a step of one run in ``folder``, where the Atlas is built the first time."""
    run = ("mkgc.train", *case.keys, "trainer.enable_progress_bar=false")
    said = printed(("-c", UNTIL_STEP, str(case.last), *run), tree, folder)
    times = [*map(float, said.splitlines()[-1].split())]
    return (times[-1] - times[case.first - 1]) / (case.last - case.first)


def compare(trees: Sequence[Path]) -> str:
    """The table: medians of some rounds."""
    names = " | ".join(tree.name for tree in trees)
    lines = [f"| steps a second of processor time | {names} |", f"| --- |{' --- |' * len(trees)}"]
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
