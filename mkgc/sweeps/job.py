"""A job of a sweep, and what runs it: in the sweep's own process, or in one that a launcher has started elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from mkgc.app.locks import locked
from mkgc.app.packages import own_tasks
from mkgc.app.signals import Ended, in_order
from mkgc.app.sweeps import JobError, hand_on_errors
from mkgc.errors import one_line
from mkgc.sweeps import log
from mkgc.sweeps.digest import SECTIONS
from mkgc.sweeps.folder import State, drop_begun, find_run
from mkgc.training.run import AUTO

OUTPUT = "output.log"
"""What a job in another process prints, in the job's folder."""


@dataclass(frozen=True)
class Job:
    """A job: its ``words`` (overrides), those that it alone has, and the ``name`` of its folder in the sweep's.

    ``digest`` is that of its settings, None where its runs are not looked for. ``figures`` are those of its run, if
    that has finished before.
    """

    number: int
    words: tuple[str, ...]
    own: str
    name: str
    digest: str | None = None
    figures: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"job {self.name} ({one_line(self.own)})" if self.own else f"job {self.name}"


def objective(figures: Mapping[str, Any]) -> float:
    """The figure on dev that the task watches: what a search looks at."""
    return float(figures["dev"][figures["metric"]])


def result(figures: Mapping[str, Any]) -> str:
    """The result of a run in a few words."""
    metric = figures["metric"]
    smoke = ", smoke run" if figures.get("smoke") is True else ""
    return f"{figures['task']}{smoke}: test {metric} {figures['test'][metric]:.4f}; {figures['seconds']:.0f} s"


@dataclass
class JobRunner:
    """The task function that launchers call: a command's, for the jobs of a sweep by the names of their folders.

    It is pickled by name, whatever module the command was started as. A job's run begins, goes on, or is found to be
    finished, by this or by another process that had the folder. Its line goes into the sweep's log.
    """

    verb: str
    jobs: dict[str, Job] = field(default_factory=dict)
    owner: int = field(default_factory=os.getpid)
    place: str = field(default_factory=os.getcwd)

    def __call__(self, config: DictConfig) -> float | None:
        hydra = HydraConfig.get()
        folder, job = Path(hydra.runtime.output_dir), self.jobs[str(hydra.sweep.subdir)]
        if os.getpid() == self.owner:
            return self._run(config, folder, job, log.tell)
        os.chdir(self.place)
        with _command(folder):
            return self._run(config, folder, job, lambda _: None)

    def _run(self, config: DictConfig, folder: Path, job: Job, tell: Callable[[str], None]) -> float | None:
        with locked(folder):
            try:
                value, line = self._made(config, folder, job)
            except JobError as error:
                self._note(f"{log.FAILED}{job}: {error}", tell)
                raise
        if line:
            self._note(f"{job}: {line}", tell)
        return value

    def _made(self, config: DictConfig, folder: Path, job: Job) -> tuple[float | None, str]:
        """The figure that a search looks at, and the result in words; neither where the command makes no run."""
        main = import_module(f"mkgc.{self.verb}")._main
        if job.digest is None:
            return main(config), ""
        found = find_run(folder)
        if found.state is State.FINISHED and found.digest == job.digest:
            return objective(found.figures), f"{result(found.figures)} (finished before)"
        if found.state is State.BEGUN and found.digest == job.digest:
            drop_begun(folder)
        with open_dict(config):
            config.resume = AUTO if config.resume is None else config.resume
            for key in SECTIONS:
                config.pop(key, None)
        main(config)
        figures = find_run(folder).figures
        return objective(figures), result(figures)

    def _note(self, line: str, tell: Callable[[str], None]) -> None:
        log.note(Path(HydraConfig.get().sweep.dir), line)
        tell(line)


@contextmanager
def _command(folder: Path) -> Iterator[None]:
    """Makes this process, which a launcher has started, one that runs a command; what it prints goes into a file.

    Raises:
        JobError: A signal has ended the job.
    """
    from mkgc.app.command import quiet
    from mkgc.app.lean import import_lean

    quiet()
    hand_on_errors()
    if "torch" not in sys.modules:  # a process may run several jobs
        import_lean()
    folder.mkdir(parents=True, exist_ok=True)
    output = (folder / OUTPUT).open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    with output, redirect_stdout(output), redirect_stderr(output), own_tasks(), in_order():
        try:
            yield
        except Ended as end:
            raise JobError(end.line, end.code) from end
