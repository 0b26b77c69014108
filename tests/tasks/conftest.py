"""Models of link prediction as they are before training."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mkgc.inference import Predictor


@pytest.fixture
def built(kg_root: Path, made: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """An untrained model of a backbone of link prediction, with its corpus and configuration."""
    return partial(made, "link_prediction", kg_root)


@pytest.fixture
def predictor(built: Callable[..., Any]) -> Callable[..., Predictor]:
    """The same, ready to be asked."""

    def build(*overrides: str) -> Predictor:
        model, _, config = built(*overrides)
        return Predictor(model, config)

    return build
