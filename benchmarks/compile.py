"""The gain of `trainer.compile=true`: steps a second of a task, as it is and compiled, in turns.

`python -m benchmarks.compile [TASK:SIZE …]` reads the Atlas, and trains two networks of equal weights on the same
batches, forwards, backwards and AdamW; what compiling takes is the first round's surplus. SIZE is small, or base:
BERT-base and ViT-B/32 with random weights. On a CPU in 32 bits, on an accelerator, if there is one, in bf16. Writes its
table into `docs/benchmarks.md`.
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
import torch._inductor.config

from benchmarks.full_size import ENCODERS
from benchmarks.runs import chosen, composed, fill, machine
from mkgc.data.dataset import read_dataset
from mkgc.training.checkpoint import build_task
from mkgc.training.datamodule import DataModule
from mkgc.training.trainer import compile_task

PAGE = Path("docs/benchmarks.md")
SIZES = {"small": (), "base": ENCODERS}
TASKS = ("mre", "mner", "link_prediction")
CASES = {f"{task}:{size}": (task, keys) for size, keys in SIZES.items() for task in TASKS}
SMALL = [name for name in CASES if name.endswith(":small")]
STEPS, ROUNDS = 12, 5
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BEGIN, END = "<!-- table: python -m benchmarks.compile -->", "<!-- end of compile table -->"


class Row(NamedTuple):
    """Steps a second of a task on either side, and the seconds until the first compiled round was over."""

    case: str
    eager: float
    compiled: float
    compiling: float


def main() -> None:
    """The command."""
    torch.set_num_threads(1)
    torch._inductor.config.force_disable_caches = True  # what an earlier run compiled would count as done
    before = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        rows: list[Row] = []
        for case in chosen(sys.argv[1:] or SMALL, CASES):
            rows.append(measured(case, Path(folder)))
            fill(PAGE, BEGIN, END, table(rows, before))
            print(rows[-1], flush=True)


def measured(case: str, folder: Path) -> Row:
    """Both sides in turns; the first round of each is not counted."""
    name, keys = CASES[case]
    config = composed(f"task={name}", f"data.root={folder / name}", *keys)
    torch.manual_seed(0)
    dataset = read_dataset(config)
    batches = list(islice(DataModule(dataset, config.data.batch_size, seed=0).train_dataloader(), STEPS))
    eager = build_task(config, dataset.processor).train().to(DEVICE)
    compiled = deepcopy(eager)
    compile_task(compiled)
    sides = [(one, torch.optim.AdamW(one.parameters(), 1e-4, fused=True)) for one in (eager, compiled)]
    rounds = [[seconds(*side, batches) for side in sides] for _ in range(1 + ROUNDS)]
    slow, fast = (STEPS / median(taken) for taken in zip(*rounds[1:], strict=True))
    return Row(case, slow, fast, rounds[0][1])


def seconds(task: Any, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    """The time of a step for each batch, which is on the host before."""
    began = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type != "cpu"):
            loss = task.loss(batch.to(DEVICE))
        loss.backward()
        optimizer.step()
    loss.item()  # an accelerator is done with all of them
    return time.perf_counter() - began


def table(rows: list[Row], load: float) -> str:
    """The rows as Markdown."""
    lines = ["| task, size | steps a second | compiled | times | first 12 steps, compiled, s |", "|" + " --- |" * 5]
    lines += [
        f"| {row.case} | {row.eager:.2f} | {row.compiled:.2f} | {row.compiled / row.eager:.2f} | {row.compiling:.0f} |"
        for row in rows
    ]
    where = machine() if DEVICE.type == "cpu" else f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return "\n".join([*lines, "", f"{where}; load when this began: {load:.1f}."])


if __name__ == "__main__":
    main()
