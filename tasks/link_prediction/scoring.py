"""What calibration and prediction ask of a model of link prediction, whatever it is."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.analysis.calibration import Calibration
from mkgc.kge.index import EntityIndex
from tasks.link_prediction.processor import TripleProcessor

CACHED = 1 << 20
"""Scores that a CPU is given at a time where there are more: in its cache, they are ranked and fitted three times as
fast."""


@runtime_checkable
class Scoring(Protocol):
    """Scores of entities as answers to queries; :class:`tasks.link_prediction.ranked.Ranked` says more of each."""

    processor: TripleProcessor
    excluded: Tensor
    top_k: int
    entity_index: EntityIndex | None

    @property
    def device(self) -> torch.device: ...

    @property
    def reads(self) -> int: ...

    @property
    def uncalibrated(self) -> Calibration: ...

    def calibration(self, name: str) -> Calibration | None: ...

    def queries(self, batch: Any) -> Any: ...

    def score_candidates(self, queries: Any, entities: slice) -> Float[Tensor, "B n"]: ...

    def scores(self, batch: Any) -> Float[Tensor, "B N"]: ...
