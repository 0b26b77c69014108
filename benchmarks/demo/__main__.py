"""`make demo`: trains the tasks side by side, one thread each, then shows their answers; what is there is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from benchmarks.demo import cards, picture
from benchmarks.demo.cards import SIGNS, Card
from benchmarks.demo.tasks import EXPLANATIONS, TASKS, Shown
from mkgc.app import signals
from mkgc.app.signals import Ended, in_order

STYLES = {"": "", "right": "green", "wrong": "red", "known": "dim", "missed": "yellow"}
ROUND = 0.5  # seconds between two looks at the processes
TOLD = 20  # seconds between two lines of progress
TOGETHER = Path("runs/demo/predictions.png")
FIRST = 2  # cards of each task on it: as many as a page has room for

Process = subprocess.Popen[bytes]


class Demo:
    """The processes of the demo: as many at once as there are cores."""

    def __init__(self, console: Console) -> None:
        self.console, self.began = console, time.monotonic()
        self.waiting = [task for task in TASKS if not task.cards.exists()]
        self.running: dict[Shown, Process] = {}

    def run(self) -> None:
        """Trains what is not yet trained."""
        told = self.began
        while self.waiting or self.running:
            while self.waiting and len(self.running) < (os.cpu_count() or 1):
                self._start(self.waiting.pop(0))
            time.sleep(ROUND)
            for task, process in [*self.running.items()]:
                if process.poll() is not None:
                    self._end(task, process.returncode)
            if self.running and time.monotonic() - told >= TOLD:
                told = time.monotonic()
                self._say("   ".join(f"{task.name}: {task.progress()}" for task in self.running))

    def _start(self, task: Shown) -> None:
        trains = f"$ python -m mkgc.train {' '.join(task.overrides)} hydra.run.dir={task.folder}"
        self._say(f"{task.name}: trained, to be asked" if (task.folder / "metrics.json").exists() else trains)
        task.folder.mkdir(parents=True, exist_ok=True)
        with (task.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.demo.one", task.name],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,  # a Ctrl-C is this process's, which tells the others once
            )
        self.running[task] = process
        signals.children.append(process)

    def _end(self, task: Shown, code: int) -> None:
        del self.running[task]
        if code:
            lines = (task.folder / "log.txt").read_text(errors="replace").splitlines()
            raise Ended("\n".join([f"{task.name} failed, see {task.folder / 'log.txt'}:", *lines[-5:]]), code)
        self._say(f"{task.title(task.figures())}; its answers: {task.picture}")

    def _say(self, line: str) -> None:
        seconds = int(time.monotonic() - self.began)
        self.console.print(Text(f"{seconds // 60}:{seconds % 60:02}  {line}"), soft_wrap=True)


def show(console: Console) -> None:
    """Prints the questions and answers of all tasks, and where their files lie."""
    for task in TASKS:
        console.print()
        console.print(Text(task.title(task.figures()), style="bold"), soft_wrap=True)
        for card in cards.load(task.cards):
            _print(card, console)
    console.print()
    console.print("✓ right   ✗ wrong   → right, but missed   · a training triple says so", style="dim", soft_wrap=True)
    for task in TASKS:
        files = "best.ckpt, metrics.json, answers.jsonl, predictions.png"
        files += f", {EXPLANATIONS}/explanations.html" if task.explained else ""
        console.print(f"{task.name}: {task.folder}/ has {files}", soft_wrap=True)
    console.print(f"the first of them as a picture: {TOGETHER}", soft_wrap=True)


def _print(card: Card, console: Console) -> None:
    """The answers of a line beside one another: in columns on a terminal, a log's lines may be long."""
    console.print(Text(f"  {card.question}"), soft_wrap=True)
    for line in card.lines:
        parts = [Text(f"{SIGNS[mark]} {text}".lstrip(), STYLES[mark]) for text, mark in line]
        if console.is_terminal:
            console.print(Padding(Columns(parts, padding=(0, 3)), (0, 0, 0, 6)))
        else:
            console.print(Text("      ") + Text("   ").join(parts), soft_wrap=True)


def main() -> None:
    """The command."""
    console = Console(highlight=False, markup=False)
    demo = Demo(console)
    trains = bool(demo.waiting)
    try:
        with in_order():
            if trains:
                console.print("Training into runs/demo, one thread a task; Ctrl-C stops, and make demo goes on.")
            demo.run()
    except Ended as end:
        signals.end_others()
        console.print(Text(f"mkgc: {end.line}; what is saved is kept: make demo goes on from there"), soft_wrap=True)
        sys.exit(end.code)
    if trains or not TOGETHER.exists():
        picture.draw([(task.title(task.figures()), cards.load(task.cards)[:FIRST]) for task in TASKS], TOGETHER)
    show(console)


if __name__ == "__main__":
    main()
