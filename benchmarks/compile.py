"""The gain of `trainer.compile=true`: steps a second of each task at the small size, as it is and compiled, in turns.

`python -m benchmarks.compile [TASK …]` reads the Atlas, and trains two networks of equal weights on the same batches,
forwards, backwards and AdamW; what compiling takes is the first round's surplus. Writes its table into
`docs/benchmarks.md`.
"""

from __future__ import annotations

import os
import sys
import time
from copy import deepcopy
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch

from benchmarks.runs import composed, fill
from mkgc.data.dataset import read_dataset
from mkgc.training.checkpoint import build_task
from mkgc.training.datamodule import DataModule
from mkgc.training.trainer import compile_task

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.compile -->", "<!-- end of compile table -->"
TASKS = ("mre", "mner", "link_prediction")
STEPS, ROUNDS = 12, 5


class Row(NamedTuple):
    """Steps a second of a task on either side, and the seconds until the first compiled round was over."""

    task: str
    eager: float
    compiled: float
    compiling: float


def main() -> None:
    """The command."""
    torch.set_num_threads(1)
    before = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        rows: list[Row] = []
        for task in sys.argv[1:] or TASKS:
            rows.append(measured(task, Path(folder)))
            fill(PAGE, BEGIN, END, table(rows, before))


def measured(name: str, folder: Path) -> Row:
    """Both sides in turns; the first round of each is not counted."""
    config = composed(f"task={name}", f"data.root={folder / name}")
    torch.manual_seed(0)
    dataset = read_dataset(config)
    batches = list(islice(DataModule(dataset, config.data.batch_size, seed=0).train_dataloader(), STEPS))
    eager = build_task(config, dataset.processor).train()
    compiled = deepcopy(eager)
    compile_task(compiled)
    sides = [(one, torch.optim.AdamW(one.parameters(), 1e-4, fused=True)) for one in (eager, compiled)]
    rounds = [[seconds(*side, batches) for side in sides] for _ in range(1 + ROUNDS)]
    slow, fast = (STEPS / median(taken) for taken in zip(*rounds[1:], strict=True))
    return Row(name, slow, fast, rounds[0][1])


def seconds(task: Any, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    """The time of a step for each batch."""
    began = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        task.loss(batch).backward()
        optimizer.step()
    return time.perf_counter() - began


def table(rows: list[Row], load: float) -> str:
    """The rows as Markdown."""
    lines = ["| task | steps a second | compiled | times | first 12 steps, compiled, s |", "|" + " --- |" * 5]
    lines += [
        f"| {row.task} | {row.eager:.2f} | {row.compiled:.2f} | {row.compiled / row.eager:.2f} | {row.compiling:.0f} |"
        for row in rows
    ]
    return "\n".join([*lines, "", f"The machine's load when this began: {load:.1f}."])


if __name__ == "__main__":
    main()
