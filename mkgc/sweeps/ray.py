"""Jobs as tasks of Ray, on this machine or on a cluster. (Hydra's own launcher for Ray needs packages of years ago.)"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from mkgc.errors import ConfigError


class RayLauncher(Launcher):
    """Runs ``jobs`` at once on this machine, or all that the cluster at ``address`` has room for.

    Of each job Ray is told that it needs ``cpus`` and ``gpus``, of which it may be a share.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self, jobs: int, cpus: int | float, gpus: int | float, address: str | None) -> None:
        if find_spec("ray") is None:
            raise ConfigError("launcher=ray runs jobs with Ray: pip install mkgc[ray]")
        self.jobs, self.cpus, self.gpus, self.address = jobs, cpus, gpus, address

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what a job is made of."""
        self.context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs the jobs, and returns what each has returned."""
        import ray

        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        local: dict[str, Any] = {}
        if self.address is None:
            local = {"num_cpus": math.ceil(self.jobs * self.cpus), "include_dashboard": False}
        logging.getLogger("ray").setLevel(logging.ERROR)  # what it says of its tokens is no line of a sweep
        variables = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        ray.init(
            self.address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            runtime_env={"env_vars": variables},
            **local,
        )
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(execute)
            given = ray.put((self.context, self.config, self.task_function, Singleton.get_state()))
            jobs = [task.remote(given, list(words), initial_job_idx + i) for i, words in enumerate(job_overrides)]
            return list(ray.get(jobs))
        finally:
            ray.shutdown()


def execute(given: tuple[HydraContext, DictConfig, TaskFunction, Any], words: list[str], number: int) -> JobReturn:
    """Runs a job in the process that Ray gave it."""
    context, config, task_function, state = given
    setup_globals()
    Singleton.set_state(state)
    job: DictConfig = context.config_loader.load_sweep_config(config, words)
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = number, number
    return run_job(
        task_function=task_function,
        config=job,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=context,
    )
