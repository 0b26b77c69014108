"""Keys that nothing reads: the line about one names the nearest that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from traceback import walk_tb
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mkgc.app.models import explain_unused
from mkgc.errors import ConfigError, unfolded

OWN = ("mkgc.", "tasks.")

ABSENT = re.compile(r"Could not override '([^']+)'")
"""Hydra's message about a key that does not exist."""

ALIKE, ELSEWHERE = 0.6, 0.75
"""How much of two names must be the same for one to be meant by the other, by difflib's measure; of a dotted key
elsewhere more, as sections that are alike say little."""


def explain_unknown(key: str, config: DictConfig | None) -> str:
    """The line about a key that there is not, in the configuration composed without it, if there is one.

    What a node with a ``_target_`` could be given is looked up in that one's signature: it can be added with a +.
    """
    place, _, name = key.rpartition(".")
    task = None if config is None else OmegaConf.select(config, "task.name")
    inside = config is not None and place != "task.model" and has(config, place)
    if not inside and (unused := explain_unused(key, task)):
        return unused
    if config is None:
        return f"{key}: no such key"
    beside = names_at(config, place)
    if name in beside:
        return f"{key} is not set here yet: add it by +{key}=…"
    return no_such_key(key, beside, [*dotted(config)])


def no_such_key(key: str, beside: Collection[str], everywhere: Sequence[str] = ()) -> str:
    """The line about a key, given the names at its place and the dotted ones elsewhere: the nearest, or all beside."""
    place, _, name = key.rpartition(".")
    if near := _nearest(name, beside):
        return f"{key}: no such key; did you mean {f'{place}.{near}'.lstrip('.')}?"
    ending = [one for one in everywhere if one.rpartition(".")[2] == name]
    if near := min(
        ending, key=lambda one: (one.count("."), len(one), one), default=_nearest(key, everywhere, ELSEWHERE)
    ):
        return f"{key}: no such key; did you mean {near}?"
    known = ", ".join(beside)
    return f"{key}: no such key; {place or 'here'} has {known}" if known else f"{key}: no such key"


def names_at(config: DictConfig, place: str) -> list[str]:
    """The keys of a place, and those that it could be given; at the top, groups are such keys."""
    node = _at(config, place)
    if not isinstance(node, DictConfig):
        return []
    own = [str(key) for key in node if not str(key).startswith("_") and key != "hydra"]
    return list(dict.fromkeys([*own, *parameters(node), *([] if place else _groups(config))]))


def parameters(node: DictConfig) -> list[str]:
    """What the target of a node can be given by name, as far as it has one and that says so.

    Ours are read and not imported, which would bring torch with them.
    """
    target = str(node.get("_target_", ""))
    if target.startswith(OWN):
        return _written(*target.rpartition(".")[::2])
    try:
        known = signature(get_object(node["_target_"])).parameters.values()
    except Exception:  # importing what a user names may do anything
        return []
    named = [one for one in known if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return [one.name for one in named if one.name != "self"]


def _written(module: str, name: str) -> list[str]:
    """The parameters of a function, of a class's constructor or of a dataclass, as its module has them."""
    try:
        spec = find_spec(module)
        text = Path(spec.origin).read_text("utf-8") if spec is not None and spec.origin is not None else ""
    except (ImportError, OSError):
        return []
    body: list[Any] = ast.parse(text).body
    found = next((node for node in body if getattr(node, "name", None) == name), None)
    if isinstance(found, ast.ClassDef):
        makers = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
        if not makers:
            fields = [node.target for node in found.body if isinstance(node, ast.AnnAssign)]
            return [field.id for field in fields if isinstance(field, ast.Name)]
        found = makers[0]
    if not isinstance(found, ast.FunctionDef):
        return []
    return [one.arg for one in (*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs) if one.arg != "self"]


def dotted(node: DictConfig, place: str = "") -> Iterator[str]:
    """All dotted keys of a configuration but Hydra's."""
    for key in node:
        if str(key).startswith("_") or (not place and key == "hydra"):
            continue
        path = f"{place}.{key!s}".lstrip(".")
        yield path
        inner = node._get_node(key)
        if isinstance(inner, DictConfig) and not (inner._is_none() or inner._is_missing() or inner._is_interpolation()):
            yield from dotted(inner, path)


def composed_without(error: BaseException, keys: Collection[str]) -> DictConfig | None:
    """The configuration that Hydra would have composed, had these keys not been given; None where it cannot be.

    ``error`` is what it raised: its loader stands in the traceback, with all that was typed.
    """
    frame = _loading(error)
    return None if frame is None else recomposed(frame["self"], frame["config_name"], frame["overrides"], keys)


def recomposed(loader: Any, name: str | None, words: Sequence[str], keys: Collection[str]) -> DictConfig | None:
    """What Hydra's ``loader`` composes of words but for those that give these keys, or others that there are not."""
    left = [word for word in words if word.partition("=")[0].lstrip("+~") not in keys]
    try:
        config: DictConfig = loader.load_configuration(name, left, RunMode.RUN, True, False)
    except Exception as error:  # not all that Hydra raises is its own
        absent = ABSENT.match(str(error))
        further = absent is not None and absent[1] not in keys
        return recomposed(loader, name, left, {*keys, absent[1]}) if absent and further else None
    return config


def hidden_error(error: BaseException) -> BaseException | None:
    """What is wrong with the command line, where Hydra complains of a list of values for a sweep; None if nothing is.

    Hydra composes first to see whether an experiment is a sweep, and takes it for none where that fails: a wrong key
    then shows as ``seed=0,1``.
    """
    frame = _loading(error)
    if frame is None or not str(error).lstrip().startswith("Ambiguous value"):
        return None
    try:
        frame["self"].load_configuration(frame["config_name"], frame["overrides"], RunMode.MULTIRUN, True, False)
    except Exception as hidden:
        return as_mistake(hidden)
    return None


def as_mistake(error: Exception) -> Exception:
    """What was raised before a command had its configuration, as an error of the command line.

    Not all that Hydra raises is its own, and such errors do not say which word they are about.
    """
    if isinstance(error, HydraException | OmegaConfBaseException):
        return error
    line = unfolded(str(error))
    held = (variables.get("override") for variables in _held(error))
    word = next((one for one in held if isinstance(one, Override)), None)
    return ConfigError(line if word is None else f"{word.input_line}: {line.removesuffix(f' : {word}')}")


def has(config: DictConfig, key: str) -> bool:
    """Whether a dotted key is there, whatever its value."""
    place, _, name = key.rpartition(".")
    node = _at(config, place)
    return _is_section(node) and name in node


def _is_section(node: Any) -> bool:
    return isinstance(node, DictConfig) and isinstance(node._content, dict)


def _loading(error: BaseException) -> dict[str, Any] | None:
    """The variables of Hydra's loader where it composes."""
    return next(_held(error, "load_configuration"), None)


def _held(error: BaseException, function: str | None = None) -> Iterator[dict[str, Any]]:
    """The variables of the functions that an error came through, or of those of one name."""
    for frame, _ in walk_tb(error.__traceback__):
        if function in (None, frame.f_code.co_name):
            yield frame.f_locals


def _nearest(name: str, known: Collection[str], least: float = ALIKE) -> str | None:
    """The most similar of some names, if one is similar at all."""
    likeness = {one: SequenceMatcher(None, name, one).ratio() for one in known}
    best = max(likeness, key=likeness.__getitem__, default=None)
    return best if best is not None and likeness[best] >= least else None


def _groups(config: DictConfig) -> list[str]:
    """The names of groups, of which one member each is chosen."""
    if "hydra" in config:
        choices = config.hydra.runtime.choices
    else:
        choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    return [str(name) for name in choices if not str(name).startswith("hydra/") and "@" not in str(name)]


def _at(config: DictConfig, place: str) -> Any:
    node: Any = config
    for part in filter(None, place.split(".")):
        node = node.get(part) if _is_section(node) and part in node and not node._get_node(part)._is_missing() else None
    return node
