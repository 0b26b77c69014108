"""Where a trained model runs: the same words for every command."""

from __future__ import annotations

from typing import Any

import torch

from mkgc.errors import ConfigError

WORDS = "cpu, gpu (or cuda; cuda:1 for the second), mps, auto"


def find_device(word: str) -> torch.device:
    """The device that ``device=`` names.

    Raises:
        ConfigError: It names none, or one that this machine does not have.
    """
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device("cuda" if word == "gpu" else word)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device={word}: choose {WORDS}")
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= there:
        raise ConfigError(f"device={word}: there is {f'only {there}' if there else 'none'} here; give device=cpu")
    return device


def accelerator(device: torch.device) -> dict[str, Any]:
    """The device's name in Lightning's trainer."""
    return {"accelerator": {"cuda": "gpu"}.get(device.type, device.type), "devices": _count(device)}


def _count(device: torch.device) -> int | list[int]:
    return 1 if device.type == "cpu" else [device.index or 0]
