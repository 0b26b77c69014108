"""Overrides, as a user types them: how they are quoted, and what they mean here beyond what Hydra makes of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from mkgc.app.unknown import explain_unknown, has, recomposed
from mkgc.errors import ConfigError

REPLACED = ("data.images",)
"""Mappings whose keys are the user's: of these, ``key={…}`` gives all there are. Hydra would merge it with the rest."""


def quoted(key: str, value: object) -> str:
    """``key=value`` as it is typed into a shell where the value is text, whatever is in it."""
    return shlex.quote(f"{key}={in_quotes(value)}")


def in_quotes(value: object) -> str:
    """A value as text in Hydra's grammar, whatever is in it."""
    text = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + found[2].replace('"', r"\""), str(value))
    return f'"{text}"'.replace("${", r"\${")


def explain_syntax(override: str) -> str:
    """The line about a word that Hydra's grammar cannot read."""
    key, sign, value = override.partition("=")
    if not sign or not key:
        return f"'{override}' is not understood: give key=value"
    return f"'{override}' is not understood: a value with signs or letters beyond a-z is quoted: {quoted(key, value)}"


def settle(config: DictConfig, overrides: Sequence[str]) -> None:
    """Makes a composed configuration what the command line says.

    Raises:
        ConfigError: A key was added where nothing would read it.
    """
    parsed = [*_parsed(overrides)]
    for key in REPLACED:
        _replace(config, key, [one for one in parsed if f"{one.key_or_group}.".startswith(f"{key}.")])
    for one in parsed:
        if one.is_add() or one.is_force_add():
            _check_read(config, one.key_or_group, one.is_force_add())


def _parsed(overrides: Sequence[str]) -> Iterable[Override]:
    return OverridesParser.create().parse_overrides([*overrides])


def _replace(config: DictConfig, key: str, given: list[Override]) -> None:
    """Sets a mapping to what was given last as a whole, and to what was said of its entries after that."""
    last = max((i for i, one in enumerate(given) if isinstance(one.value(), dict)), default=None)
    if last is None:
        return
    for one in given[last:]:
        place, _, name = one.key_or_group.rpartition(".")
        if one.is_delete():
            OmegaConf.select(config, place).pop(name, None)
        else:
            OmegaConf.update(config, one.key_or_group, one.value(), merge=False, force_add=True)


def _check_read(config: DictConfig, key: str, forced: bool) -> None:
    """Checks that an added key lies in a node that configures something, which is then asked whether it knows it.

    One that is ``forced`` (++) may have been there before.
    """
    if key.startswith("hydra") or not has(config, key):  # or the name of a group, such as +experiment
        return
    nodes = [OmegaConf.select(config, part) if part else config for part in _parts(key.rpartition(".")[0])]
    if any(isinstance(node, DictConfig) and "_target_" in node for node in nodes):
        return
    before = (_before(key) if forced else None) or _removed(config, key)
    if not has(before, key):
        raise ConfigError(explain_unknown(key, before))


def _before(key: str) -> DictConfig | None:
    """The configuration as it would be if a key were not given."""
    if not GlobalHydra.instance().is_initialized():
        return None
    hydra = HydraConfig.get()
    words: Any = OmegaConf.to_container(hydra.overrides, resolve=False)
    loader = GlobalHydra.instance().config_loader()
    return recomposed(loader, hydra.job.config_name, [*words["hydra"], *words["task"]], {key})


def _removed(config: DictConfig, key: str) -> DictConfig:
    """The configuration without a key, nor the sections that it alone was in."""
    left = config.copy()
    OmegaConf.set_struct(left, False)
    while key:
        place, _, name = key.rpartition(".")
        node = OmegaConf.select(left, place) if place else left
        node.pop(name)
        key = place if not node else ""
    return left


def _parts(place: str) -> list[str]:
    """A dotted place and all those above it."""
    return [place, *_parts(place.rpartition(".")[0])] if place else [""]
