"""The task says what is monitored, and whether more or less of it is better."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.metrics.ranking import RankingMetrics
from mkgc.train import train
from mkgc.training.checkpoint import read
from tasks.link_prediction.structure import StructurePrediction


@pytest.mark.parametrize(("mode", "best", "epochs"), [("min", 1, 4), ("max", 3, 6)])
def test_the_best_epoch_is_the_least_or_the_greatest_and_patience_begins_there(
    mode: str, best: int, epochs: int, quick: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = [3.0, 2.0, 4.0, 5.0, 1.0, 3.0, 2.0]
    ranks = iter([*scored[:epochs], 2.0, 2.5])
    monkeypatch.setattr(StructurePrediction, "monitor", "dev/mr")
    monkeypatch.setattr(StructurePrediction, "mode", mode)
    monkeypatch.setattr(RankingMetrics, "compute", lambda _: {"mr": next(ranks)})
    figures = train(quick("patience=2", "task.epochs=7"), tmp_path / "run")
    assert (read(tmp_path / "run" / "best.ckpt")["epoch"], figures["epochs"]) == (best, epochs)
    assert (figures["metric"], figures["test"]) == ("mr", {"mr": 2.5})
