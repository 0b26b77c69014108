"""Training runs by their overrides, composed in this process and kept: a run that is there is not run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import DictConfig


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """The configuration that ``python -m mkgc.train`` would have with these overrides."""
    with initialize_config_module("conf", version_base="1.3"):
        return compose(name, list(overrides))


def trained(folder: Path, *overrides: str) -> dict[str, Any]:
    """The figures of a run in ``folder``, training it first if there are none."""
    from mkgc.train import train

    figures = folder / "metrics.json"
    if not figures.exists():
        print(f"$ python -m mkgc.train {' '.join(overrides)} hydra.run.dir={folder}", flush=True)
        train(composed(*overrides), folder)
    return json.loads(figures.read_text())
