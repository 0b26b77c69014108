"""A digest of a run's settings, by which a sweep finds the run of a job again, whatever the job's number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mkgc.reports.references import referred

SECTIONS = ("launcher", "search")
"""Sections about a sweep, which its jobs do not read."""

CHOICES = ("low_resource", "size.fused_values", "system_tasks")
"""Keys that say what may be chosen, or what an experiment compares; what was chosen stands in others."""

NOISE = frozenset({
    *SECTIONS, *CHOICES, "run", "resume", "overwrite", "logger", "data.workers", "data.store", "backbone.cache_gib",
    "trainer.enable_progress_bar",
})  # fmt: skip
"""Keys on which no figure of a run depends."""


def settings_digest(settings: Mapping[str, Any]) -> str:
    """The digest of plain settings, as :func:`mkgc.reports.saved.read_settings` reads them from ``config.yaml``."""
    text = json.dumps(_without_noise(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def config_digest(config: DictConfig) -> str:
    """The digest that the run of a composed configuration will have in its ``config.yaml``."""
    plain: Any = OmegaConf.to_container(config, resolve=False)
    own = {str(key): value for key, value in plain.items() if key not in ("hydra", "defaults")}
    return settings_digest({key: referred(value, own) for key, value in own.items()})


def _without_noise(node: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    kept = {key: value for key, value in node.items() if f"{place}{key}" not in NOISE}
    return {
        key: _without_noise(value, f"{place}{key}.") if isinstance(value, Mapping) else value
        for key, value in kept.items()
    }
