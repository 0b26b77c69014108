"""The distribution's own ``tasks`` and ``conf``, beside ``mkgc``, whatever else Python finds by these names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
TASKS = "tasks"
FILE = ROOT / TASKS / "__init__.py"


@contextmanager
def own_tasks() -> Iterator[None]:
    """Lets ``tasks`` be ours meanwhile; a program's own module or package of that name has it again afterwards.

    What was imported below it stays imported, and needs the name no more.
    """
    before = sys.modules.get(TASKS)
    sys.modules[TASKS] = before if before is not None and _is_ours(before) else _ours()
    try:
        yield
    finally:
        if before is None:
            del sys.modules[TASKS]
        else:
            sys.modules[TASKS] = before


def _is_ours(module: ModuleType) -> bool:
    return getattr(module, "__file__", None) == str(FILE)


@cache
def _ours() -> ModuleType:
    spec = spec_from_file_location(TASKS, FILE, submodule_search_locations=[str(FILE.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
