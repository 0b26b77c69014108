"""Poems train as all else does: a run that was killed goes on as if it had not been, in half precision too."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.train import train
from mkgc.training.checkpoint import read
from tests.steps import JUDGED, TEACHER

pytestmark = pytest.mark.slow

LEARNED = {
    "poetry_pretraining": (TEACHER,),
    "poetry_retrieval": (TEACHER, JUDGED, "task.model.learn=true"),
}
"""What each task learns, with all of its parts."""

Compose = Callable[..., Any]


def weights(folder: Path, name: str = "best.ckpt") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read(folder / name)["state_dict"]
    return state


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_validation_start"])
@pytest.mark.parametrize("task", LEARNED)
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    task: str, hook: str, poems_root: Path, tiny: Compose, killed: Callable[..., None], tmp_path: Path
) -> None:
    """What is hidden of a poem, and the order of poems, depend on the epoch, which does not begin anew."""
    keys = (*LEARNED[task], "task.epochs=3")
    whole = train(tiny(task, poems_root, *keys), tmp_path / "whole")
    killed(hook, 2, tiny(task, poems_root, *keys), tmp_path / "cut")
    resumed = train(tiny(task, poems_root, *keys, f"resume={tmp_path}/cut/last.ckpt"), tmp_path / "cut")
    assert resumed["test"] == whole["test"]
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = weights(tmp_path / "cut", name), weights(tmp_path / "whole", name)
        assert [key for key, value in ours.items() if not torch.equal(value, theirs[key])] == []


@pytest.mark.parametrize("task", LEARNED)
def test_half_precision_learns_almost_the_same(task: str, poems_root: Path, tiny: Compose, tmp_path: Path) -> None:
    for precision in ("bf16-mixed", "32-true"):
        keys = (*LEARNED[task], "task.epochs=1", f"trainer.precision={precision}")
        train(tiny(task, poems_root, *keys), tmp_path / precision)
    half, full = (weights(tmp_path / name, "last.ckpt") for name in ("bf16-mixed", "32-true"))
    assert max(float((half[name].float() - full[name].float()).abs().max()) for name in half) < 0.01
    assert any(not torch.equal(half[name], full[name]) for name in half)


@pytest.mark.parametrize("task", LEARNED)
def test_weights_of_half_precision_are_trained_and_scored(
    task: str, poems_root: Path, tiny: Compose, tmp_path: Path
) -> None:
    keys = (*LEARNED[task], "task.epochs=1", "trainer.precision=bf16-true")
    figures = train(tiny(task, poems_root, *keys), tmp_path / "run")
    kept = weights(tmp_path / "run").values()
    assert {value.dtype for value in kept if value.is_floating_point()} == {torch.bfloat16}
    assert all(math.isfinite(value) for value in figures["test"].values())
