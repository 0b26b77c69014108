"""Multimodal knowledge graph completion: train, evaluate and apply models that read text and images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkgc.evaluate import call as evaluate
    from mkgc.inference import load
    from mkgc.train import call as train

    __version__: str

__all__ = ["__version__", "evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for, and with it torch, only then."""
    if name == "__version__":
        from mkgc.app.provenance import installed_version

        return installed_version()
    if name == "load":
        from mkgc.inference import load

        return load
    if name in __all__:  # the command's module, which can be called
        return import_module(f"mkgc.{name}")
    raise AttributeError(f"module 'mkgc' has no attribute '{name}'")
