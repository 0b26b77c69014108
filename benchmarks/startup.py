"""`python -m benchmarks.startup [TREE …]`: processor time until a command answers, or until the first training step.

Each ``TREE`` is a checkout of this project, which is compared with the others; this one if none is given. They take
turns. Commands run from the bytecode of the installation, and once more without any: so every start is where packages
were installed without it and PYTHONDONTWRITEBYTECODE is set, as in most containers.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.runs import UNTIL_STEP, checkouts, fill, machine, printed

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: python -m benchmarks.startup -->", "<!-- end of start-up table -->"
ROUNDS = 2


class Start(NamedTuple):
    """A command, ``python …``, with its name in the table; 2 is the exit code of a user's mistake."""

    name: str
    words: tuple[str, ...]
    code: int = 0


FIRST_STEP = ("-c", UNTIL_STEP, "1", "mkgc.train")

STARTS = (
    Start("`mkgc.train --help`", ("-m", "mkgc.train", "--help")),
    Start("`mkgc.report`, no key given", ("-m", "mkgc.report"), 2),
    Start("`mkgc.train` with a key that there is not", ("-m", "mkgc.train", "task=mre", "sede=1"), 2),
    Start("first step of `task=mre`", (*FIRST_STEP, "task=mre", "data.root=atlas/mre")),
    Start(
        "first step of `task=link_prediction system=distmult`",
        (*FIRST_STEP, "task=link_prediction", "system=distmult", "data.root=atlas/link_prediction"),
    ),
)


def seconds(start: Start, tree: Path, folder: Path, bytecode: bool) -> float:
    """Seconds of user and system time of one run in ``folder``, where the Atlas is built the first time."""
    elsewhere = {} if bytecode else {"PYTHONPYCACHEPREFIX": str(folder / "none")}
    before = os.times()
    printed(start.words, tree, folder, start.code, PYTHONDONTWRITEBYTECODE="1", **elsewhere)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def compare(trees: Sequence[Path]) -> str:
    """The table: medians of some rounds, after one that counts for nothing."""
    names = [f"{tree.name}{kind}" for kind in ("", ", no bytecode") for tree in trees]
    lines = [f"| seconds of processor time | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    with TemporaryDirectory() as name:
        folders = {tree: Path(name) / str(i) for i, tree in enumerate(trees)}
        for start in STARTS:
            found: dict[tuple[bool, Path], list[float]] = {}
            for turn in range(-1, ROUNDS):
                for bytecode in (True, False):
                    for tree, folder in folders.items():
                        folder.mkdir(exist_ok=True)
                        if turn >= 0 or bytecode:
                            found.setdefault((bytecode, tree), []).append(seconds(start, tree, folder, bytecode))
            medians = [statistics.median(found[b, t][-ROUNDS:]) for b in (True, False) for t in trees]
            lines.append(f"| {start.name} | {' | '.join(f'{value:.1f}' for value in medians)} |")
            print(lines[-1], flush=True)
    return "\n".join([*lines, "", f"Medians of {ROUNDS} rounds; {machine()}."])


if __name__ == "__main__":
    fill(PAGE, BEGIN, END, compare(checkouts(sys.argv[1:])))
