import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY
from tests.training.conftest import killed, quick, scores  # noqa: F401

QUICK = (
    "task=link_prediction", "backbone=kge/distmult", "backbone.width=8", "task.epochs=1", "data.batch_size=64",
    "optim.warmup=0.0",
)  # fmt: skip
"""A model that makes an epoch in a moment."""


@pytest.fixture
def sweep(run: Callable[..., Any], kg_root: Path) -> Callable[..., tuple[int, str, str]]:
    """Sweeps over that model as `python -m mkgc.train -m …` would, into ``sweep``."""

    def command(*words: str) -> tuple[int, str, str]:
        return run("train", "-m", f"data.root={kg_root}", *TINY, *QUICK, "hydra.sweep.dir=sweep", *words)

    return command


def figures(folder: Path) -> dict[str, Any]:
    """The figures of the runs below a folder on dev and test, by their seed and width."""
    found = {}
    for path in folder.glob("*/metrics.json"):
        read = json.loads(path.read_text())
        found[path.parent.name] = (read["seed"], read["epochs"], read["dev"], read["test"])
    return found
