"""Checks a configuration as soon as it is composed, before anything is read or built.

Types and bounds are declared once: in the signature of what a node's ``_target_`` names, or in :mod:`mkgc.app.keys`.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError

from mkgc.app.keys import TRAIN, Keys
from mkgc.app.models import explain_system, explain_unused
from mkgc.app.overrides import quoted
from mkgc.app.ranges import Range
from mkgc.app.unknown import no_such_key
from mkgc.errors import ConfigError

CALLED = {"task.source": "settings", "task.data": "source", "task.model": "backbone"}
"""Parts that are called, and a name of what they are called with."""

OWN = ("mkgc.", "tasks.")
PLAIN = (str, int, float, bool, type(None))
UNIONS = (typing.Union, types.UnionType)
ABSENT = object()
COMPILE = "trainer.compile"
"""A key that is ours, and no setting of Lightning's trainer."""
DECLARED = "backbone.inputs"
"""A key that says what its node needs, and is no setting of it."""
LONGEST = 200
"""Characters of a value that an error repeats."""

BUILT = ("task.source", "task.data", "task.model", "data", "backbone", "optim", "trainer", "logger", "size.tokenizer")
"""The parts without which nothing is trained."""


def check(config: DictConfig, keys: Keys = TRAIN) -> None:
    """Checks that every node fits the thing it configures, and the other ``keys`` their declared types.

    So it does that the task can use the backbone, and that a system is one of the task's.

    Raises:
        ConfigError: One line for each key that does not, all in one message.
    """
    if misplaced := explain_system(config):
        raise ConfigError(misplaced)
    backbone = config.get("backbone")
    if isinstance(backbone, DictConfig) and "inputs" not in backbone:
        raise ConfigError(f"{DECLARED}: say what the backbone is given, a list of text, images or others")
    missing = _missing(config)
    if misbuilt := [*_misbuilt(config)]:
        raise ConfigError("; ".join(misbuilt))
    problems = [f"{key} has no value: give {key}=…" for key in missing]
    problems += _misvalued(config, keys, missing)
    for path, node in _nodes(config):
        problems += _misfits(path, node, missing, OmegaConf.select(config, "task.name"))
    if "task" in config and "backbone" in config:
        problems += _strangers(config)
    if problems:
        raise ConfigError("; ".join(problems))


def _missing(config: DictConfig) -> list[str]:
    """The keys that have no value.

    Raises:
        ConfigError: A whole node refers to one.
    """
    try:
        return sorted(OmegaConf.missing_keys(config))
    except InterpolationToMissingValueError as error:
        key = str(error).splitlines()[0].rpartition(" ")[2]
        raise ConfigError(f"{key} has no value: give {key}=…") from error


def check_keys(config: DictConfig, keys: Keys, closed: bool = True) -> None:
    """Checks the keys of a command, which has no others if it is ``closed``.

    Raises:
        ConfigError: One line for each that there is not, or that is not of its declared type, all in one message.
    """
    strange = [str(key) for key in config if key not in keys] if closed else []
    problems = [no_such_key(key, keys) for key in strange]
    problems += _misvalued(config, keys, sorted(OmegaConf.missing_keys(config)))
    if problems:
        raise ConfigError("; ".join(problems))


def _misbuilt(config: DictConfig) -> Iterator[str]:
    """Findings that keep the parts from being looked at: one is no node that names what it builds, or names nothing."""
    for key in BUILT if "task" in config else ():
        node = OmegaConf.select(config, key)
        if key == "task.model" and isinstance(node, DictConfig) and "_target_" not in node and "_partial_" in node:
            kind = str(OmegaConf.select(config, "backbone._target_")).rpartition(".")[2]
            yield f"backbone: task={config.task.name} has no model for one that is a {kind}"
        elif not isinstance(node, DictConfig) or "_target_" not in node:
            yield f"{key}={_shortened(node)}: must be a node that names what it builds (_target_)"
    for path, node in _nodes(config):
        yield from _uncallable(path, node)
        for key in GIVEN.keys() & node.keys():
            if not GIVEN[key](value := _plain(node[key])):
                wrong = "names nothing that can be built" if key == "_target_" else "is no such setting of Hydra's"
                yield f"{path}.{key}={_shortened(value)}: {wrong}"


def _uncallable(path: str, node: DictConfig) -> Iterator[str]:
    name = CALLED.get(path)
    if name is not None and _is_target(target := node["_target_"]) and name not in _parameters(get_object(target)):
        yield f"{path}._target_={_shortened(target)}: is called with {name}=…, which it does not take"


def _parameters(target: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (ValueError, TypeError):  # of some functions in C nothing is known
        return {}


def _is_target(name: Any) -> bool:
    try:
        return isinstance(name, str) and callable(get_object(name))
    except Exception:  # importing what a user names may do anything
        return False


GIVEN: dict[str, Callable[[Any], bool]] = {
    "_target_": _is_target,
    "_partial_": lambda value: isinstance(value, bool),
    "_args_": lambda value: isinstance(value, list),
    "_recursive_": lambda value: isinstance(value, bool),
    "_convert_": lambda value: value in ("none", "partial", "object", "all"),
}
"""Hydra's own keys of a node, and what they may be."""


def _misvalued(config: DictConfig, keys: Keys, missing: list[str]) -> Iterator[str]:
    """Finds wrong values of declared keys, as far as they are there."""
    for key, hint in keys.items():
        value = None if key in missing else OmegaConf.select(config, key, default=ABSENT)
        if key not in missing and value is not ABSENT and not fits(value := _plain(value), hint):
            yield _misfit(key, value, hint)


def _misfit(place: str, value: Any, hint: Any) -> str:
    """The line about a value; where text is wanted, a number or a truth value can be quoted to be text."""
    line = f"{place}={_shortened(value)}: must be {said(hint)}"
    return f"{line}; as text: {quoted(place, value)}" if fits("", hint) and isinstance(value, int | float) else line


def _shortened(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


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


def _misfits(path: str, node: DictConfig, missing: list[str], task: str | None) -> Iterator[str]:
    target = get_object(node["_target_"])
    parameters = _parameters(target)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = signature_types(target)
    for key in node:
        place = f"{path}.{key!s}"
        if key in GIVEN or place in (DECLARED, COMPILE) or place in missing:
            continue
        if key not in parameters and not open_ended:
            unused = explain_unused(place, task) if path == "task.model" else None
            yield unused or no_such_key(place, [name for name in parameters if name != "self"])
        elif key in hints and not fits(value := _plain(node[key]), hints[key]):
            yield _misfit(place, value, hints[key])


def _strangers(config: DictConfig) -> Iterator[str]:
    """Finds task and backbone that do not fit: the annotation of the model's parameter says what it takes."""
    model, backbone = get_object(config.task.model["_target_"]), get_object(config.backbone["_target_"])
    hint = signature_types(model).get("backbone")
    wanted = typing.get_args(hint) if typing.get_origin(hint) in UNIONS else (hint,)
    if hint is None or any(_takes(kind, backbone, "_partial_" in config.backbone) for kind in wanted):
        return
    names = " or ".join(_made(kind).__name__ for kind in wanted)
    given = config.backbone["_target_"].rpartition(".")[2]
    yield f"backbone: task={config.task.name} needs one that is a {names}, and {given} is none"


def _takes(kind: Any, backbone: Any, partial: bool) -> bool:
    """Whether a class, or with ``partial`` what still has to make it, is of a kind."""
    return (
        partial == (typing.get_origin(kind) is Callable)
        and isinstance(backbone, type)
        and issubclass(backbone, _made(kind))
    )


def _made(kind: Any) -> type:
    """The class itself, or that which a callable makes."""
    return typing.get_args(kind)[-1] if typing.get_origin(kind) is Callable else kind


def signature_types(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(vars(target)["__init__"] if isinstance(target, type) else target, None, None, True)
    except (NameError, AttributeError, TypeError, KeyError):
        return {}  # a foreign signature that names what only its type checker imports


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a declared type; types that configuration cannot write are not judged."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return fits(value, arguments[0]) and all(mark.holds(value) for mark in arguments if isinstance(mark, Range))
    if origin is typing.Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin in UNIONS:
        return any(fits(value, argument) for argument in arguments)
    if origin is dict:
        # null takes an entry out that a group of the configuration has put in
        return isinstance(value, dict) and all(one is None or fits(one, arguments[1]) for one in value.values())
    if origin in (list, Sequence):
        return isinstance(value, list) and all(fits(one, arguments[0]) for one in value)
    if hint in (int, float):
        number = isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
        return number and value == value  # not a number is no number
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    # What is built has a node of its own.
    unnamed = isinstance(value, PLAIN) or (isinstance(value, dict) and "_target_" not in value)
    return not ((origin is Callable or _is_own(hint)) and unnamed)


def _is_own(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__module__.startswith(OWN)


def said(hint: Any) -> str:
    """A type in a user's words."""
    if typing.get_origin(hint) is Annotated:
        kind, *marks = typing.get_args(hint)
        return " ".join([said(kind), *(str(mark) for mark in marks if isinstance(mark, Range))])
    if typing.get_origin(hint) is typing.Literal:
        options = [str(one).lower() if isinstance(one, bool) else str(one) for one in typing.get_args(hint)]
        return f"one of {', '.join(options)}" if len(options) > 1 else options[0]
    if typing.get_origin(hint) is Callable or _is_own(hint):
        return "a node that names what it builds (_target_)"
    if typing.get_origin(hint) in (dict, list, Sequence):
        each = said(typing.get_args(hint)[-1])
        return f"a mapping of keys to {each}" if typing.get_origin(hint) is dict else f"a list [{each}, …]"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    if typing.get_origin(hint) in UNIONS:
        return " or ".join(dict.fromkeys(said(argument) for argument in typing.get_args(hint)))
    return names.get(hint, str(getattr(hint, "__name__", hint)))
