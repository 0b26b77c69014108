"""Classes that may be built from a checkpoint, perhaps a stranger's: our own, each in its place, and optimisers.

A description names classes and functions. What is named has to be defined (not just imported) in our packages, and be
of the kind that its place asks for; below it stand plain values. So a description makes a network, and does no more.
A user may trust further packages, which then count as ours.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from torch import nn, optim

from mkgc.data.dataset import Dataset, DataSource
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.processor import Processor
from mkgc.data.settings import DataSettings
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.errors import CheckpointError, ConfigError
from mkgc.kge.model import KGEModel
from mkgc.training.optim import Optim
from mkgc.training.task import Task

OURS = re.compile(r"(mkgc|tasks)(\.[a-z]\w*)+\.[A-Za-z]\w*")
"""A name at the top of one of our modules."""

NAME = re.compile(r"([A-Za-z]\w*\.)+[A-Za-z]\w*")
"""A name at the top of any module."""

OPTIMISER = re.compile(r"torch\.optim\.([A-Z]\w*)")
"""The only classes of a library that may be named: what they make does nothing before it is given a step."""

RECIPES = (
    "mkgc.encoders.text.random_text",
    "mkgc.encoders.vision.random_vision",
    "mkgc.encoders.resnet.random_resnet",
)
"""The functions that build encoders from numbers alone; others read from places that a checkpoint has no say in."""

GIVEN = {"_target_", "_partial_", "_convert_"}
"""The keys of Hydra's that a description may use."""


class Place(NamedTuple):
    """Kinds of what may be named at a place; ``partial`` says whether more is given to it when it is built."""

    kinds: tuple[type, ...]
    partial: bool = False


PLACES = {
    "backbone": Place((nn.Module,)),
    "data": Place((DataSettings,)),
    "optim": Place((Optim,)),
    "task.source": Place((DataSource,), partial=True),
    "task.data": Place((Dataset,), partial=True),
    "task.model": Place((Task,), partial=True),
}
"""Where a description names something; a part of a backbone is a module, too; one of a model, or of what reads, plain
settings."""


@dataclass(frozen=True)
class Trust:
    """The packages whose classes may be built: ours, and those that the user trusts."""

    packages: tuple[str, ...] = ()

    @classmethod
    def of(cls, packages: Iterable[str]) -> Trust:
        """Trust in packages or modules that are there.

        Raises:
            ConfigError: One is not.
        """
        for name in (trusted := tuple(packages)):
            if not _is_there(name):
                raise ConfigError(
                    f"trusted={name}: Python finds no such package; is the folder it lies in on PYTHONPATH?"
                )
        return cls(trusted)

    def check_description(self, config: Mapping[str, Any]) -> None:
        """Checks all that a configuration names before anything of it is built.

        Raises:
            CheckpointError: It names what is not trusted, or of another kind than its place asks for, or is not plain.
        """
        for path, node in _nodes(config, ""):
            _check_values(path, node)
            if path.startswith("backbone.") and node.get("vectors") is not None:
                raise _refused(f"{path}.vectors", node["vectors"], "a place of files, which is the user's to name")
            if "_target_" in node:
                self._check_target(path, node)
        for path in PLACES:
            found: Any = config
            for key in path.split("."):
                found = found.get(key) if isinstance(found, Mapping) else None
            if not isinstance(found, Mapping) or "_target_" not in found:
                raise CheckpointError(f"the checkpoint's configuration does not say what its {path} is")

    def processor_kind(self, name: Any) -> type[Processor]:
        """The class of a processor by its name.

        Raises:
            CheckpointError: It is none that is trusted.
        """
        kind = self._defined("processor", name)
        if not (isinstance(kind, type) and issubclass(kind, Processor)):
            raise _refused("processor", name, "no processor")
        return kind

    def _check_target(self, path: str, node: Mapping[str, Any]) -> None:
        """Checks that what is named at a place is of its kind."""
        name, made = node["_target_"], self._made(path, node["_target_"])
        place = PLACES.get(path) or _part(path)
        if place is None or not any(issubclass(made, kind) for kind in place.kinds):
            raise _refused(path, name, "nothing that belongs there")
        partial = place.partial or issubclass(made, KGEModel)
        if node.get("_partial_", False) is not partial:
            raise _refused(path, f"_partial_={node.get('_partial_')}", f"not how a {made.__name__} is built")

    def _made(self, path: str, name: Any) -> type:
        """The class that is named, or the one that the named function returns."""
        if path == "optim.optimizer" and isinstance(name, str) and (matched := OPTIMISER.fullmatch(name)):
            library: Any = getattr(optim, matched[1], None)
            if isinstance(library, type):
                return library
        found = self._defined(path, name)
        if isinstance(found, type):
            return found
        if name in RECIPES or (path.startswith("task.") and not name.startswith("mkgc.")):
            made = typing.get_type_hints(found).get("return")
            if isinstance(made, type):
                return made
        raise _refused(path, name, "no function that builds what belongs there")

    def _defined(self, path: str, name: Any) -> Any:
        """The class or function of that name, if a trusted module defines it."""
        if not isinstance(name, str) or not self._covers(name):
            raise _refused(path, name, f"none of mkgc's own parts{_hint(name)}")
        module, _, last = name.rpartition(".")
        try:
            found = vars(import_module(module)).get(last)
        except ImportError:
            found = None
        here = getattr(found, "__module__", None) == module and getattr(found, "__qualname__", None) == last
        if not here or not (isinstance(found, type) or inspect.isfunction(found)):
            raise _refused(path, name, "none of mkgc's own parts")
        return found

    def _covers(self, name: str) -> bool:
        further = NAME.fullmatch(name) and any(name.startswith(f"{package}.") for package in self.packages)
        return bool(OURS.fullmatch(name) or further)


def _nodes(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All mappings, with their place."""
    if isinstance(node, Mapping):
        yield path, node
        for key, value in node.items():
            yield from _nodes(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _nodes(value, f"{path}.*")


def _check_values(path: str, node: Mapping[str, Any]) -> None:
    """Plain values and containers, none of which says something to OmegaConf or Hydra."""
    for key, value in node.items():
        if not isinstance(key, str) or (key.startswith("_") and key not in GIVEN):
            raise _refused(path, key, "no key of a description")
        for each in value if isinstance(value, list | tuple) else (value,):
            if not isinstance(each, Mapping | list | tuple | str | int | float | None):
                raise _refused(f"{path}.{key}", type(each).__name__, "no plain value")
            if isinstance(each, str) and ("${" in each or each == "???"):
                raise _refused(f"{path}.{key}", each, "no plain text")


def _part(path: str) -> Place | None:
    above, _, name = path.rpartition(".")
    if path == "optim.optimizer":
        return Place((optim.Optimizer,), partial=True)
    if above == "backbone":
        return Place((nn.Module,), partial=name == "fusion")
    if path == "backbone.text.characters":
        return Place((nn.Module,))
    if path in ("data.knowledge", "data.word_graph"):
        return Place((KnowledgeSettings, WordGraphSettings))
    return Place((Settings,)) if above in ("task.model", "task.data") else None


class _IsDataclass(type):
    def __subclasscheck__(cls, kind: type) -> bool:
        return is_dataclass(kind)


class Settings(metaclass=_IsDataclass):
    """Every dataclass: checked values without a life of their own."""


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _hint(name: Any) -> str:
    """How a package is trusted, where a name may be of one of the user's."""
    package = str(name).partition(".")[0]
    if not NAME.fullmatch(str(name)) or package in ("mkgc", "tasks", *sys.stdlib_module_names):
        return ""
    return f" (if {package} is a package of yours, trust it: trusted=[{package}])"


def _refused(path: str, what: Any, why: str) -> CheckpointError:
    return CheckpointError(f"the checkpoint names '{what}' as its {path}, which is {why}: not built")
