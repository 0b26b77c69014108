"""What is known of a run before it is trained: its settings, its size, its data, and which way its figure is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Plain = str | int | float | bool
"""A value that every tracker takes."""


@dataclass(frozen=True)
class Facts:
    """``settings`` are the configuration, resolved; ``known`` is what follows from it and from the data."""

    settings: Mapping[str, Any]
    known: Mapping[str, Plain]
    monitor: str
    mode: Literal["max", "min"]


def gather_facts(settings: Any, task: Any, dataset: Any, made_by: Mapping[str, Any]) -> Facts:
    """The facts of a run of a task on a data set; ``made_by`` is its provenance."""
    sizes = [(p.numel(), p.requires_grad) for p in task.parameters()]
    known: dict[str, Plain] = {
        "parameters": sum(count for count, _ in sizes),
        "trainable_parameters": sum(count for count, trains in sizes if trains),
        **{f"{split}_examples": len(features) for split, features in dataset.features.items()},
        **{key: value for key, value in made_by.items() if isinstance(value, Plain)},
    }
    return Facts(settings, known, task.monitor, task.mode)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Plain]:
    """Settings with dotted keys; a list, or nothing, as text.

    >>> flat({"a": {"b": 1, "c": None}, "d": [2, 3]})
    {'a.b': 1, 'a.c': 'None', 'd': '[2, 3]'}
    """
    out: dict[str, Plain] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value if isinstance(value, Plain) else str(value)
    return out
