"""Checks a configuration as soon as it is composed, before anything is read or built."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from mkgc.errors import ConfigError

UNIONS = (typing.Union, types.UnionType)
GIVEN = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_"})


def check(config: DictConfig) -> None:
    """Checks that every node fits the thing it configures: known keys, values of the declared types.

    So it does that the task can use the backbone.

    Raises:
        ConfigError: One line for each key that does not, all in one message.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    problems = [f"{key} has no value: give {key}=…" for key in missing]
    for path, node in _nodes(config):
        problems += _misfits(path, node, missing)
    if "task" in config and "backbone" in config:
        problems += _strangers(config)
    if problems:
        raise ConfigError("; ".join(problems))


def _nodes(config: Any, path: str = "") -> Iterator[tuple[str, DictConfig]]:
    """All nodes that name a target, with their place."""
    if isinstance(config, DictConfig):
        if "_target_" in config:
            yield path, config
        for key in config:
            if not OmegaConf.is_missing(config, key):
                yield from _nodes(config[key], f"{path}.{key!s}".lstrip("."))
    elif isinstance(config, ListConfig):
        for i, item in enumerate(config):
            yield from _nodes(item, f"{path}.{i}")


def _misfits(path: str, node: DictConfig, missing: list[str]) -> Iterator[str]:
    target = get_object(node["_target_"])
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = _hints(target)
    for key in node:
        place = f"{path}.{key!s}"
        if key in GIVEN or place in missing:
            continue
        if key not in parameters and not open_ended:
            known = ", ".join(name for name in parameters if name != "self")
            yield f"{place}: no such key; {path} has {known}"
        elif key in hints and not fits(value := _plain(node[key]), hints[key]):
            yield f"{place}={value}: must be {_said(hints[key])}"


def _strangers(config: DictConfig) -> Iterator[str]:
    """What is wrong with the pair of task and backbone: the annotation of the model's parameter says what it takes."""
    model, backbone = get_object(config.task.model["_target_"]), get_object(config.backbone["_target_"])
    hint = _hints(model).get("backbone")
    wanted = typing.get_args(hint) if typing.get_origin(hint) in UNIONS else (hint,)
    if hint is None or any(_takes(kind, backbone, "_partial_" in config.backbone) for kind in wanted):
        return
    names = " or ".join(_made(kind).__name__ for kind in wanted)
    yield f"backbone: task={config.task.name} needs one that is a {names}, and {backbone.__name__} is none"


def _takes(kind: Any, backbone: type, partial: bool) -> bool:
    """Whether a class, or with ``partial`` what still has to make it, is of a kind."""
    return partial == (typing.get_origin(kind) is Callable) and issubclass(backbone, _made(kind))


def _made(kind: Any) -> type:
    """The class itself, or that which a callable makes."""
    return typing.get_args(kind)[-1] if typing.get_origin(kind) is Callable else kind


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(vars(target)["__init__"] if isinstance(target, type) else target)
    except (NameError, AttributeError, TypeError, KeyError):
        return {}  # a foreign signature that names what only its type checker imports


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a declared type; types that configuration cannot write are not judged."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in arguments
    if origin in UNIONS:
        return any(fits(value, argument) for argument in arguments)
    if origin in (dict, list, Sequence):
        return isinstance(value, dict if origin is dict else list)
    if hint in (int, float):
        return isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint) if hint in (bool, str, type(None)) else True


def _said(hint: Any) -> str:
    """A type in a user's words."""
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    if typing.get_origin(hint) in UNIONS:
        return " or ".join(dict.fromkeys(_said(argument) for argument in typing.get_args(hint)))
    return names.get(hint, str(getattr(hint, "__name__", hint)))
