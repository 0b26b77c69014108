from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.explanations.explanation import Explanation
from mkgc.inference import Predictor
from mkgc.training.task import Task
from tests.conftest import paint

RECORDS: dict[str, dict[str, Any]] = {
    "mre": {"text": "Ada and Bob today .", "head": "Ada", "tail": "Bob", "image": ["red.png", "blue.png"]},
    "mner": {"text": "We saw Paris Hilton again", "image": ["red.png", "blue.png"]},
    "link_prediction": {"head": "e/0", "relation": "near"},
}
"""A record of each task; the graph has an image of its entity."""


def slow(*values: Any) -> Any:
    """A case of a parametrised test that is for the slow tier."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two images."""
    for colour in ("red", "blue"):
        paint(tmp_path / "asked" / f"{colour}.png", colour)
    return tmp_path / "asked"


def stir(task: Task) -> None:
    """Weights that are large enough for attention to be far from even."""
    draw = torch.Generator().manual_seed(5)
    for parameter in task.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.25, generator=draw)


@pytest.fixture
def predictor(made: Callable[..., Any], roots: dict[str, Path]) -> Callable[..., Predictor]:
    """An untrained model of a task, of two fused layers."""

    def make(task: str, *overrides: str) -> Predictor:
        model, _, config = made(task, roots[task], "size.fused=2", "size.released.fused=2", *overrides)
        stir(model)
        return Predictor(model, config)

    return make


@pytest.fixture
def explained(predictor: Callable[..., Predictor], folder: Path) -> Callable[..., Explanation]:
    """The explanation of a record of a task, by an untrained model."""

    def explain(task: str, *overrides: str, record: dict[str, Any] | None = None) -> Explanation:
        (one,) = predictor(task, *overrides).explain([record or RECORDS[task]], folder)
        assert isinstance(one, Explanation)
        return one

    return explain


@pytest.fixture
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield
