"""Classification of a pair of mentions in a text."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mkgc.errors import ConfigError


class PairClassifier(nn.Module):
    """Scores every class for each text with one linear layer over its states.

    ``pooling="markers"`` reads the states at both mentions' opening markers, as the released code of MKGformer does;
    ``"cls"`` reads the first token's, as its paper writes it (section 3.3).

    Raises:
        ConfigError: There is no such pooling.
    """

    def __init__(self, width: int, classes: int, pooling: Literal["markers", "cls"] = "markers") -> None:
        super().__init__()
        if pooling not in ("markers", "cls"):
            raise ConfigError(f"task.model.pooling={pooling}: choose markers or cls")
        self.pooling = pooling
        self.classifier = nn.Linear(2 * width if pooling == "markers" else width, classes)

    def forward(self, states: Float[Tensor, "B T D"], markers: Int[Tensor, "B 2"]) -> Float[Tensor, "B C"]:
        if self.pooling == "cls":
            return self.classifier(states[:, 0])
        rows = torch.arange(len(states), device=states.device)[:, None]
        return self.classifier(states[rows, markers].flatten(1))
