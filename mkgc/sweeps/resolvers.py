"""Functions that the YAML of experiments calls: the folder of a sweep, and what a search looks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

UNNAMED = ("experiment", "task", "launcher", "logger", "search", "resume", "overwrite")
"""Keys that say where and how jobs are run, or that the folder's name has already."""


def sweep_name(task: str, *, _root_: DictConfig) -> str:
    """The task, and a digest of the settings that are the same for all jobs where there are any.

    What varies is left out, so that more values or seeds join those that are there.
    """
    typed: Any = OmegaConf.to_container(_root_.hydra.overrides.task, resolve=False)
    searches = "search" in _root_  # whose ranges are what it is
    fixed = [*_fixed(typed, None if searches else OmegaConf.select(_root_, "hydra.sweeper.params") or {})]
    if not fixed:
        return task
    return f"{task}_{hashlib.sha256(chr(10).join(sorted(fixed)).encode()).hexdigest()[:8]}"


def _fixed(words: Sequence[str], varied: Mapping[str, Any] | None) -> Iterable[str]:
    """The words that are the same for all jobs; all that count where nothing is said to be ``varied``."""
    for word, one in zip(words, OverridesParser.create().parse_overrides([*words]), strict=True):
        varies = varied is not None and (one.is_sweep_override() or one.key_or_group in varied)
        if not varies and one.key_or_group.partition(".")[0] not in UNNAMED:
            yield word


def direction(target: str) -> str:
    """Which way the figure is better that a task's model watches: ``maximize`` or ``minimize``."""
    from hydra.utils import get_class

    from mkgc.app.packages import own_tasks

    with own_tasks():
        return "minimize" if getattr(get_class(target), "mode", "max") == "min" else "maximize"


def around(value: float, times: int) -> str:
    """A range of rates in Optuna's words, whose middle is a value, up to so many times as much or as little.

    >>> around(1e-3, 10)
    'tag(log, interval(0.0001, 0.01))'
    """
    return f"tag(log, interval({value / times:.6g}, {value * times:.6g}))"


def times(value: int | float, factor: int | float) -> int | float:
    """A number so many times as large: a whole one stays whole.

    >>> times(10, 2)
    20
    """
    return value * factor


OmegaConf.register_new_resolver("sweep_name", sweep_name, replace=True)
OmegaConf.register_new_resolver("direction", direction, replace=True)
OmegaConf.register_new_resolver("around", around, replace=True)
OmegaConf.register_new_resolver("times", times, replace=True)
