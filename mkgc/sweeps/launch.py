"""What every launcher of Hydra's does here: a sweep survives its failing jobs, and runs what has not finished."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mkgc.app.overrides import in_quotes, quoted
from mkgc.app.packages import ROOT
from mkgc.app.signals import Ended
from mkgc.app.sweeps import JobError
from mkgc.errors import ConfigError, MkgcError, one_line
from mkgc.reports.planned import write_planned
from mkgc.sweeps import log
from mkgc.sweeps.job import Job, JobRunner, objective, result
from mkgc.sweeps.plan import Plan
from mkgc.terminal import say

RESUMABLE = ("train",)
"""Commands whose jobs leave runs."""

HERE = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"

SHOWN = 5
"""Jobs that failed which the last line names."""


class SweepLauncher(Launcher):
    """Gives another launcher the jobs that have not finished before; what fails is kept for the end of the sweep."""

    def __init__(self, inner: Launcher, runner: JobRunner, config: DictConfig, context: HydraContext) -> None:
        self.inner, self.runner = inner, runner
        self.grid = str(config.hydra.sweeper["_target_"]) == GRID
        self.elsewhere = str(config.hydra.launcher["_target_"]) != HERE
        self.resumable = runner.verb in RESUMABLE
        self.plan = Plan(config, context.config_loader, searched=not self.grid)
        self.failed: dict[Job, JobError] = {}
        self.ended = 0
        self.planned: dict[str, str] = {}
        self._lock: int | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """The other launcher has been set up."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs what is missing; returns what all jobs returned, or of a grid those that ended well."""
        self._take_folder()
        jobs = self.plan.jobs(job_overrides, initial_job_idx, self.resumable)
        missing = [job for job in jobs if job.figures is None]
        if self.grid and self.resumable:
            self.planned |= {job.name: job.own for job in jobs}
            write_planned(self.plan.folder, self.planned)
            before = f" ({len(jobs) - len(missing)} finished before)" if len(missing) < len(jobs) else ""
            say(f"sweep: {len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}{before}; into {self.plan.folder}")
        made = dict(zip([job.number for job in missing], self._run(missing), strict=True))
        for job in jobs:
            if job.figures is not None:
                say(f"{job}: {result(job.figures)} (finished before)")
        self.ended += len(jobs) - len(missing)
        returns = [made[job.number] if job.figures is None else _returned(job) for job in jobs]
        return [one for one in returns if one.status == JobStatus.COMPLETED] if self.grid else returns

    def end(self) -> None:
        """Says which jobs failed; a sweep of one job has said so.

        Raises:
            JobError: Some did, of a grid; its exit code is that of the first.
        """
        if not self.failed:
            return
        names = [str(job) for job in self.failed]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        kind = "jobs" if self.grid else "trials"
        line = f"{len(names)} of {len(names) + self.ended} {kind} failed: {', '.join(names[:SHOWN])}{more}"
        if self.grid:
            raise JobError(line if len(names) + self.ended > 1 else "", next(iter(self.failed.values())).code)
        say(line)

    def release(self) -> None:
        """Lets other sweeps have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_folder(self) -> None:
        """Makes the sweep's folder, and keeps others out of it.

        Raises:
            ConfigError: Another process sweeps there.
        """
        if self._lock is not None:
            return
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.plan.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            line = f"another sweep runs in {self.plan.folder}: wait for it, or give hydra.sweep.dir=DIR"
            raise ConfigError(line) from None

    def _run(self, jobs: Sequence[Job]) -> Sequence[JobReturn]:
        if not jobs:
            return []
        folder = self.plan.folder
        self.runner.jobs = {job.name: job for job in jobs}
        place = f"hydra.sweep.dir={in_quotes(folder)}"
        words = [[*job.words, place, f"hydra.sweep.subdir={in_quotes(job.name)}"] for job in jobs]
        try:
            with _children(folder) if self.elsewhere else nullcontext():
                returns = self.inner.launch(words, jobs[0].number)
        except Ended as end:
            word = end.line.partition(";")[0]
            way = f"go on with the same command and {quoted('hydra.sweep.dir', folder)}"
            raise Ended(f"{word}; what has ended is kept: {way}", end.code) from end
        except MkgcError:
            raise
        except Exception as error:
            first = one_line(f"{type(error).__name__}: {error}".splitlines()[0], 300)
            raise MkgcError(
                f"a process of the launcher was lost ({first}); what has ended is kept: the same command and "
                f"{quoted('hydra.sweep.dir', folder)} go on"
            ) from error
        for job, one in zip(jobs, returns, strict=True):
            if one.status == JobStatus.COMPLETED:
                self.ended += 1
            else:
                self.failed[job] = _failure(one)
        return returns


def _returned(job: Job) -> JobReturn:
    """What a job that has finished before would have returned."""
    assert job.figures is not None
    return JobReturn(status=JobStatus.COMPLETED, overrides=job.words, _return_value=objective(job.figures))


def _failure(one: JobReturn) -> JobError:
    error = one._return_value
    return error if isinstance(error, JobError) else JobError(one_line(f"{type(error).__name__}: {error}"), 1)


@contextmanager
def _children(folder: Path) -> Iterator[None]:
    """Lets processes that are started meanwhile find what this one imports, and prints what they say of their jobs."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), before]))
    try:
        with log.followed(folder):
            yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
