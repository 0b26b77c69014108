"""A run as its folder holds it: settings and figures, in files that may be damaged, or a stranger's."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mkgc.errors import DataError
from mkgc.reports.references import referred, setting
from mkgc.sweeps.digest import NOISE
from mkgc.training.run import FAILED

DEPTH = 50
"""How deep settings may be nested; those of a run are not a dozen levels deep."""

LARGEST = 4 << 20
"""Bytes of a file that is read; a run's are thousands."""


SEEDS = ("seed", "data.subset_seed")
"""Keys in which repetitions of a run differ; the second chooses what a low-resource run is trained on."""

UNRELATED = NOISE | {"data.root"}
"""Keys that no figure depends on, once it is known that the data are the same."""


class Run(NamedTuple):
    """A run: where it lies, in short below the folder asked for, its settings, and its figures, if it has finished.

    ``referring`` are the dotted keys of settings that are written as references to others, ``repeated`` the settings as
    all repetitions of the run have them: what refers to one of SEEDS, as a path may, names it. Of a damaged run,
    ``problem`` says what is wrong, and there are no settings or no figures; of a job that failed, ``failure`` says why.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    figures: dict[str, Any]
    problem: str | None = None
    failure: str | None = None
    referring: frozenset[str] = frozenset()
    repeated: Mapping[str, Any] = MappingProxyType({})

    def setting(self, key: str) -> Any:
        """The value at a dotted key, None where there is none."""
        return setting(self.config, key)

    @property
    def seeds(self) -> tuple[str, str]:
        """The values of SEEDS: of the second only where something is chosen by it."""
        chosen = self.setting("data.shots") is not None or self.setting("data.fraction") is not None
        seed, sample = (f"{self.setting(key)!s:.40}" for key in SEEDS)
        return seed, sample if chosen else ""

    def leaves(self) -> dict[str, str]:
        """All settings that hold no others, by dotted key, but for SEEDS and those that no figure depends on."""
        return dict(_leaves(self.repeated))


def _leaves(node: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        path = f"{place}.{key}".lstrip(".")
        if path in SEEDS or path in UNRELATED:
            continue
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, f"{value!s}"


def read_run(place: Path, folder: Path) -> Run:
    """The run that lies in a place below a folder; what is damaged is told in it."""
    name = place.relative_to(folder).as_posix()
    config: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    referring: frozenset[str] = frozenset()
    repeated: dict[str, Any] = {}
    try:
        if os.path.lexists(place / "metrics.json"):
            figures = read_figures(place / "metrics.json")
        written = _written(place / "config.yaml")
        config = _resolved(written)
        referring = frozenset(_referring(written))
        repeated = {key: referred(value, _without_seeds(written)) for key, value in written.items()}
    except DataError as error:
        return Run(name, place, config, figures, str(error), repeated=repeated)
    if figures.get("run", config.get("run")) != config.get("run"):
        return Run(name, place, config, {}, "its figures are another run's than its settings", repeated=repeated)
    return Run(name, place, config, figures, None, None if figures else _failure(place), referring, repeated)


def _without_seeds(written: dict[str, Any]) -> dict[str, Any]:
    """The settings with its own name in the place of each of SEEDS, for what refers to it."""
    data = written.get("data")
    named = {"data": data | {"subset_seed": SEEDS[1]}} if isinstance(data, dict) else {}
    return written | {"seed": SEEDS[0]} | named


def _failure(place: Path) -> str | None:
    with suppress(DataError, ValueError):
        return _text(place / FAILED).strip()
    return None


def _referring(node: dict[str, Any], place: str = "") -> Iterator[str]:
    for key, value in node.items():
        path = f"{place}.{key}".lstrip(".")
        if isinstance(value, dict):
            yield from _referring(value, path)
        elif "${" in str(value):
            yield path


def read_figures(path: Path) -> dict[str, Any]:
    """Reads ``metrics.json``; its test figures are all numbers, finite or not.

    Raises:
        DataError: It is damaged.
    """
    try:
        figures = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError("is no JSON: not the figures of a run", path) from error
    if not isinstance(figures, dict) or not isinstance(figures.get("test"), dict):
        raise DataError("has no figures under 'test': not those of a run", path)
    for name, value in figures["test"].items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"the figure '{name}' is no number: {value!s:.40}", path)
    figures["test"] = {name: _number(value) for name, value in figures["test"].items()}
    return figures


def read_settings(path: Path) -> dict[str, Any]:
    """Reads ``config.yaml``: what refers to another setting has its value, all else stands as it is written.

    Raises:
        DataError: It is damaged, or no run has written it.
    """
    return _resolved(_written(path))


def _resolved(written: dict[str, Any]) -> dict[str, Any]:
    return {key: referred(value, written) for key, value in written.items()}


def _written(path: Path) -> dict[str, Any]:
    try:
        text = _text(path)
        _check_plain(text, path)
        loaded = OmegaConf.create(text)
        settings = OmegaConf.to_container(loaded, resolve=False)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError, OmegaConfBaseException, AttributeError) as error:
        raise DataError("cannot be read: a run's folder has its settings beside metrics.json", path) from error
    if not isinstance(settings, dict) or not settings:
        raise DataError("cannot be read: a run's folder has its settings beside metrics.json", path)
    return {str(key): value for key, value in settings.items() if key != "defaults"}  # Hydra's, of the command


def _check_plain(text: str, path: Path) -> None:
    """Checks the events of a YAML file, before anything is built: aliases and nesting can make a few lines endless."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise DataError("has aliases, which the settings of a run do not", path)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise DataError(f"is nested more than {DEPTH} levels deep, which the settings of a run are not", path)


def _text(path: Path) -> str:
    if not path.is_file():  # a pipe would be waited for
        raise DataError("is not there", path)
    if path.stat().st_size > LARGEST:
        raise DataError(f"is larger than {LARGEST >> 20} MiB, which no run's is", path)
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error


def _number(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
