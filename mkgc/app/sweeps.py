"""Errors of the jobs of a sweep."""

from __future__ import annotations

from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode

from mkgc.errors import ConfigError

CALLED = "called"
"""Name of Hydra's job where a program calls a command (:mod:`mkgc.app.calls`)."""


EXTRAS = {
    "hydra/launcher/joblib": ("launcher=local", "sweep"),
    "hydra/launcher/submitit_local": ("launcher=submitit_local", "slurm"),
    "hydra/launcher/submitit_slurm": ("launcher=slurm", "slurm"),
    "hydra/sweeper/optuna": ("experiment=search/…", "sweep"),
}
"""Configurations of packages that are not installed with mkgc: what asks for them, and the extra that has them."""


def explain_missing(error: BaseException | None) -> str | None:
    """The line about a configuration that Hydra does not find, if an extra would bring it."""
    found = EXTRAS.get(getattr(error, "missing_cfg_file", None) or "")
    return None if found is None else f"{found[0]} needs packages that are not installed: pip install mkgc[{found[1]}]"


class JobError(Exception):
    """A job that has failed, or a sweep of which jobs have: the line (empty where it is said) and the exit code."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line, code)  # as it is pickled by a process that runs a job
        self.line, self.code = line, code

    def __str__(self) -> str:
        return self.line


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
