"""`python -m benchmarks.loggers [ROUNDS]`: what keeping a run's curves costs an epoch, logger by logger.

Each logger trains the same models in turns, in one process; counted is processor time from the first epoch to the last,
of this process and of those that it has started (Weights & Biases writes in one of its own).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytorch_lightning.callbacks import Callback

from benchmarks.runs import composed, machine
from mkgc.app.command import quiet
from mkgc.training.trainer import build_trainer

MODELS = {
    "mre": ("task=mre", "data.fraction=0.25", "task.epochs=2"),
    "mner": ("task=mner", "data.fraction=0.25", "task.epochs=2"),
    "link_prediction, distmult": ("task=link_prediction", "system=distmult", "task.epochs=20", "patience=null"),
}
LOGGERS = ("none", "csv", "tensorboard", "wandb")
TICKS = os.sysconf("SC_CLK_TCK")


def processes(root: int) -> Iterator[int]:
    """A process and all that it has started, and so on."""
    yield root
    for listed in Path(f"/proc/{root}/task").glob("*/children"):
        for child in listed.read_text().split():
            yield from processes(int(child))


def processor_time() -> float:
    """Seconds of this process and its living descendants."""
    own, others = time.process_time(), 0.0
    for number in processes(os.getpid()):
        if number != os.getpid():
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            others += (int(fields[11]) + int(fields[12])) / TICKS
    return own + others


class Clock(Callback):
    """The processor time of a fit, by epoch."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.began = processor_time()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.seconds = (processor_time() - self.began) / trainer.current_epoch


def fitted(logger: str, overrides: tuple[str, ...], folder: Path) -> float:
    """Seconds an epoch of a model that is trained with a logger."""
    clock = Clock()

    def clocked(*arguments: Any) -> Any:
        trainer = build_trainer(*arguments)
        trainer.callbacks.append(clock)
        if logger == "none":
            trainer.loggers = []
        return trainer

    module: Any = import_module("mkgc.train")
    module.build_trainer = clocked
    kind = "csv" if logger == "none" else logger
    module.train(composed(*overrides, f"logger={kind}", "trainer.enable_progress_bar=false"), folder)
    return clock.seconds


def main(rounds: int) -> None:
    """Prints the table: the median over the rounds, the first of which is not counted."""
    quiet()
    print(f"{machine()}; {rounds} rounds\n")
    print(f"| an epoch of | no logger | csv | tensorboard | wandb, offline |\n| {'--- | ' * 5}")
    for name, overrides in MODELS.items():
        times: dict[str, list[float]] = {logger: [] for logger in LOGGERS}
        with TemporaryDirectory() as folder:
            for number in range(rounds + 1):
                for logger in LOGGERS[number % 4 :] + LOGGERS[: number % 4]:
                    seconds = fitted(logger, overrides, Path(folder) / f"{number}_{logger}")
                    if number:
                        times[logger].append(seconds)
        middle = {logger: statistics.median(found) for logger, found in times.items()}
        base = middle.pop("none")
        cells = (f"{seconds:.2f} s ({seconds / base - 1:+.1%})" for seconds in middle.values())
        print(f"| `{name}` | {base:.2f} s | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
