"""Keeps libraries from importing others that nothing here needs: a third of the time that a command takes to start."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import Distribution, PackageNotFoundError
from types import ModuleType
from typing import Any

NEEDLESS = {"torchmetrics": ("scipy", "torchvision", "transformers"), "timm": ("wandb",)}
"""Packages, and what they import at once where it is installed: for metrics of images and texts, and for a logger.

A command then cannot use those metrics of torchmetrics; a program that imports the library can.
"""


def import_lean() -> None:
    """Lets the packages be imported so in this process from now on."""
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    # A namespace's path is no sequence.
    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in NEEDLESS else None
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _hidden(NEEDLESS[self.name]):
            super().exec_module(module)


@contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Lets packages that are not imported yet look as if they were not installed meanwhile."""
    absent = [name for name in names if name not in sys.modules]
    found = Distribution.from_name

    def from_name(name: str) -> Distribution:
        if name in absent:
            raise PackageNotFoundError(name)
        return found(name)

    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: Python's own sign that there is none
    Distribution.from_name = from_name  # type: ignore[method-assign]
    try:
        yield
    finally:
        Distribution.from_name = found  # type: ignore[method-assign]
        for name in absent:
            del sys.modules[name]
