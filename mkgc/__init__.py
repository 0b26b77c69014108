"""Multimodal knowledge graph completion: train, evaluate and apply models that read text and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkgc.inference import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Imports the predictor, and with it torch, only when it is asked for."""
    if name != "load":
        raise AttributeError(f"module 'mkgc' has no attribute '{name}'")
    from mkgc.inference import load

    return load
