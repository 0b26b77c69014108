"""The cost of recording what a test predicts of each example: `python -m benchmarks.recording [ROUNDS]`.

For each task of sentences on the Atlas, at the small size: processor time of an epoch of training without dev, as its
first steps tell, of a test pass that records nothing, and of one that records and writes ``predictions.jsonl``; the two
tests take turns. Writes its table into `docs/benchmarks.md`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch

from benchmarks.runs import composed, fill
from mkgc.data.dataset import Dataset, read_dataset
from mkgc.training.checkpoint import build_task
from mkgc.training.datamodule import DataModule
from mkgc.training.task import Task

PAGE = Path("docs/benchmarks.md")
BEGIN, END = "<!-- table: python -m benchmarks.recording -->", "<!-- end of recording table -->"
ROUNDS, STEPS = 5, 40


def main() -> None:
    """The command."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    torch.set_num_threads(1)
    rows = [measured(name, rounds) for name in ("mre", "mner")]
    head = ("task", "test examples", "epoch of training, s", "test, s", "test with record, s", "record, of an epoch")
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    fill(PAGE, BEGIN, END, "\n".join([*lines, *rows]))


def measured(name: str, rounds: int) -> str:
    """The row of a task: medians over the rounds, and the record's share as the median of the rounds' own."""
    config = composed(f"task={name}", "task.epochs=1")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    data = DataModule(dataset, config.data.batch_size, 0)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, max_epochs=1,
        use_distributed_sampler=False, limit_train_batches=STEPS, limit_val_batches=0, num_sanity_val_steps=0,
        enable_model_summary=False,
    )  # fmt: skip
    batches = -(-len(dataset.features["train"]) // config.data.batch_size)
    epoch = used(lambda: trainer.fit(task, data)) * batches / STEPS
    pairs = [_round(task, dataset, trainer, data) for _ in range(rounds)]
    plain, recorded = (statistics.median(column) for column in zip(*pairs, strict=True))
    share = statistics.median((with_ - without) / epoch for without, with_ in pairs)
    examples = f"{len(dataset.features['test']):,}"
    return f"| `{name}` | {examples} | {epoch:.1f} | {plain:.2f} | {recorded:.2f} | {100 * share:.2f} % |"


def _round(task: Task, dataset: Dataset, trainer: Any, data: DataModule) -> tuple[float, float]:
    """Seconds of a test without a record, and of one with it."""

    def tested() -> None:
        trainer.test(task, data, verbose=False)
        with TemporaryDirectory() as folder:
            task.after_test(dataset, Path(folder))

    task.record = lambda *_: None  # type: ignore[method-assign]
    without = used(tested)
    del task.record
    return without, used(tested)


def used(step: Callable[[], object]) -> float:
    """The processor time of a step."""
    began = time.process_time()
    step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
