"""The places where Hydra makes what a sweep is run by, and where ours comes in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from mkgc.app.config import check_keys
from mkgc.app.keys import SWEEP
from mkgc.app.sweeps import JobError
from mkgc.sweeps import resolvers as resolvers  # which the YAML of experiments calls
from mkgc.sweeps.digest import SECTIONS

if TYPE_CHECKING:
    from mkgc.sweeps.launch import SweepLauncher

RAY = "hydra_plugins.mkgc.RayLauncher"
"""The name under which Hydra looks for our launcher: it takes plugins out of that package alone."""


@contextmanager
def sweeping(verb: str) -> Iterator[None]:
    """Lets the sweeps of a command be run by :class:`SweepLauncher`, whatever the launcher, and searches go on.

    Raises:
        JobError: At the end, if jobs have failed.
    """
    launchers: list[SweepLauncher] = []
    searches: list[DictConfig] = []
    own_launcher, own_sweeper = Plugins.instantiate_launcher, Plugins.instantiate_sweeper

    def instantiate_launcher(self: Plugins, **given: Any) -> SweepLauncher:
        from mkgc.sweeps.job import JobRunner  # which most commands do not need
        from mkgc.sweeps.launch import SweepLauncher

        config, context = given["config"], given["hydra_context"]
        check_keys(OmegaConf.masked_copy(config, [key for key in SECTIONS if key in config]), SWEEP, closed=False)
        if config.hydra.launcher["_target_"] == RAY:
            from mkgc.sweeps.ray import RayLauncher

            self.class_name_to_class[RAY] = RayLauncher
        runner = JobRunner(verb)
        inner = own_launcher(self, **(given | {"task_function": runner}))
        launchers.append(SweepLauncher(inner, runner, config, context))
        return launchers[-1]

    def instantiate_sweeper(self: Plugins, **given: Any) -> Any:
        if "search" in given["config"]:
            from mkgc.sweeps.search import go_on

            searches.append(given["config"])
            go_on(given["config"])
        return own_sweeper(self, **given)

    Plugins.instantiate_launcher = instantiate_launcher  # type: ignore[assignment]
    Plugins.instantiate_sweeper = instantiate_sweeper  # type: ignore[method-assign]
    try:
        yield
        _end(launchers, searches)
    except ValueError:  # Optuna's, for a study without a finished trial
        failed = [error for one in launchers for error in one.failed.values()]
        if not searches or not failed:
            raise
        raise JobError(f"each of the {len(failed)} trials failed, the last: {failed[-1]}", failed[-1].code) from None
    finally:
        Plugins.instantiate_launcher, Plugins.instantiate_sweeper = own_launcher, own_sweeper  # type: ignore[method-assign]
        for one in launchers:
            one.release()


def _end(launchers: list[SweepLauncher], searches: list[DictConfig]) -> None:
    for config in searches:
        from mkgc.sweeps.search import write_best

        write_best(config)
    for one in launchers:
        one.end()
