"""Training in stages, each a run of its own that begins with the best weights of the one before.

``task.stages`` are the numbers of those that are trained, ``task.stageN`` the settings that differ in stage N, as they
stand in the configuration: ``task.stage1.optim.lr`` is what ``optim.lr`` is then. Stages before the last one lie below
the run's folder, in ``stages/N``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mkgc.errors import ConfigError
from mkgc.training.run import AUTO, LAST, STAGES, run_folder

KEY = "task.stages"


class Stage(NamedTuple):
    """The settings and the folder of a run, and its number where it is a stage."""

    config: DictConfig
    folder: Path
    number: int | None = None


def plan_stages(config: DictConfig, folder: Path) -> list[Stage]:
    """The runs that are to be made yet, one after the other, the last in the folder itself.

    Of a run that goes on (``resume``), stages that are finished are not made again.

    Raises:
        ConfigError: There is no such stage, or its settings are none.
    """
    numbers = _numbers(config)
    if not numbers:
        return [Stage(config, folder)]
    *earlier, last = [_settings(config, number) for number in numbers]
    place, begun = _going_on(config.resume, folder, numbers)
    if place is None or not earlier:
        return [Stage(last, folder)]
    if begun and (place / LAST).is_file():
        return [Stage(_placed(last, None, config.resume), folder, numbers[-1])]
    out: list[Stage] = []
    weights = config.weights
    for number, own in zip(numbers, earlier, strict=False):
        known, below = place / STAGES / str(number), folder / STAGES / str(number)
        if begun and not out and (known / "metrics.json").is_file():
            weights = str(known)
            continue
        resumed = str(known / LAST) if begun and not out and (known / LAST).is_file() else None
        out.append(Stage(_placed(own, weights, resumed), below, number))
        weights = str(below)
    return [*out, Stage(_placed(last, weights, None), folder, numbers[-1])]


def _numbers(config: DictConfig) -> list[int]:
    """The stages that are asked for; none, where the task is not trained in stages.

    Raises:
        ConfigError: There is no such stage, or one comes twice or before an earlier one.
    """
    asked: Any = OmegaConf.select(config, KEY)
    if asked is None:
        return []
    there = [int(str(key).removeprefix("stage")) for key in config.task if str(key)[5:].isdecimal()]
    if not asked or set(asked) - set(there) or list(asked) != sorted(set(asked)):
        alone = ", ".join(f"[{number}]" for number in sorted(there))
        raise ConfigError(f"{KEY}={list(asked)}: choose {alone}, or several in order, such as {sorted(there)}")
    return list(asked)


def _settings(config: DictConfig, number: int) -> DictConfig:
    """The settings of a stage alone.

    Raises:
        ConfigError: What differs in it is no setting.
    """
    differing = OmegaConf.to_container(config.task[f"stage{number}"], resolve=True)
    try:
        merged = OmegaConf.merge(config, differing)
    except OmegaConfBaseException as error:
        raise ConfigError(f"task.stage{number}: {str(error).splitlines()[0]}") from error
    assert isinstance(merged, DictConfig)
    with open_dict(merged):
        merged.task.stages = [number]
    return merged


def _going_on(resume: str | None, folder: Path, numbers: Sequence[int]) -> tuple[Path | None, bool]:
    """The folder of the run that is gone on with, and whether some stage of it has begun.

    None stands for one that has no stages before the last: that it has nothing to go on with is for the run to say.
    """
    if resume is None:
        return folder, False
    place = folder if resume == AUTO else run_folder(resume)
    if place.parent.name == STAGES and place.name in map(str, numbers):
        place = place.parent.parent
    begun = (place / LAST).is_file() or (place / STAGES).is_dir()
    return (place if begun or resume == AUTO else None), begun


def _placed(config: DictConfig, weights: str | None, resumed: str | None) -> DictConfig:
    with open_dict(config):
        config.weights, config.resume = None if resumed else weights, resumed
    return config
