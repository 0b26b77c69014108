"""A smoke run (``smoke=true``): every step of a run, each done to a handful of things, on a data set of any size.

It ends within a minute of reading. Its figures mean nothing, and they and its checkpoints say whose they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from omegaconf import DictConfig, open_dict

from mkgc.data.dataset import Dataset
from mkgc.terminal import say

HANDFUL = 16
"""Examples of train, entities of stage 1, candidates that are read one by one."""

BATCH = 8
"""Examples of a batch at most, and of dev and test."""

PROMPTS = 64
"""Prompts that a network reads to calibrate one answer; where that takes more, it is left out."""


class Few(Sequence[Any]):
    """Some rows of features that are made when they are needed; what else is asked of those is answered by all."""

    def __init__(self, features: Any, rows: Int[np.ndarray, " n"]) -> None:
        self._features, self._rows = features, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: Any) -> Any:
        chosen = self._rows[row]
        return [self._features[int(one)] for one in chosen] if isinstance(row, slice) else self._features[int(chosen)]

    def __getitems__(self, rows: Sequence[int]) -> Any:
        epochs, places = np.divmod(np.asarray(rows), len(self._rows))  # rows may be numbered on from epoch to epoch
        return self._features.__getitems__((self._rows[places] + epochs * len(self._features)).tolist())

    @property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """The lengths of these rows' texts."""
        found: Int[np.ndarray, " n"] = self._features.lengths[self._rows]
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._features, name)


def shortened(config: DictConfig) -> DictConfig:
    """The settings of a smoke run."""
    short = config.copy()
    with open_dict(short):
        short.task.epochs = short.trainer.max_epochs = short.trainer.check_val_every_n_epoch = 1
        short.data.batch_size = min(config.data.batch_size, BATCH)
    return short


def few(dataset: Dataset) -> Dataset:
    """The data set with a handful of each split's features, spread over it."""
    features, examples = (
        {split: _few(part, HANDFUL if split == "train" else BATCH) for split, part in parts.items()}
        for parts in (dataset.features, dataset.examples)
    )
    return replace(dataset, features=features, examples=examples)


def spread(count: int, most: int) -> Int[np.ndarray, " n"]:
    """So many of the numbers below ``count`` at most, spread over them."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def warn_of_smoke(path: Path | str) -> None:
    """Says on the standard error that a checkpoint has learned nothing."""
    say(f"'{path}' is of a smoke run (smoke=true): what it answers means nothing", error=True)


def _few(features: Sequence[Any], most: int) -> Sequence[Any]:
    rows = spread(len(features), most)
    return Few(features, rows) if hasattr(features, "lengths") else [features[row] for row in rows.tolist()]
