"""Messages about the jobs of a sweep that fail."""

from __future__ import annotations

import sys
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode

from mkgc.errors import ConfigError, one_line
from mkgc.terminal import say

CALLED = "called"
"""Name of Hydra's job where a program calls a command (:mod:`mkgc.app.calls`)."""


class JobError(Exception):
    """A job that has failed, with its exit code; what there was to say is said as soon as it is made."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.code = code
        hydra = HydraConfig.get()
        own = " ".join(word for word in hydra.overrides.task if word not in sys.argv)
        say(f"mkgc: job {hydra.job.num} ({one_line(own)}): {line}", error=True)


def check_processes(devices: int) -> None:
    """Checks that a run of so many devices can be made where it was asked for.

    Raises:
        ConfigError: It is a job of a sweep, or called by a program: further processes would be started with the sweep's
            own arguments, or run the program again.
    """
    if devices > 1 and HydraConfig.initialized() and HydraConfig.get().job.name == CALLED:
        raise ConfigError(f"a program trains on one device, not {devices}: give trainer.devices=1, or use the command")
    if devices > 1 and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ConfigError(f"a job of a sweep runs on one device, not {devices}: give trainer.devices=1, or no -m")


def hand_on_errors() -> None:
    """Keeps Hydra from printing lines of its own before it hands on what a job has raised."""
    JobReturn.return_value = property(_result, _set_result)  # type: ignore[assignment]


def _result(job: JobReturn) -> Any:
    if job.status == JobStatus.FAILED:
        raise job._return_value
    return job._return_value


def _set_result(job: JobReturn, value: Any) -> None:
    job._return_value = value
