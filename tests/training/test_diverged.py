"""Numbers that are not finite end a run in a line; no checkpoint and no JSON holds them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.app.files import write_json
from mkgc.errors import DivergedError, MkgcError
from mkgc.train import train
from mkgc.training.checkpoint import read
from mkgc.training.diverged import all_finite
from tests.conftest import said

TASKS = ["mre", "mner", "link_prediction"]


def finite(path: Any) -> bool:
    return all_finite([value for value in read(path)["state_dict"].values() if value.is_floating_point()])


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_rate_far_too_high_ends_in_a_line_and_leaves_no_broken_checkpoint(
    task: Any, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny(task, roots[task], "optim.lr=1e30", "optim.head_lr=null", "task.epochs=3", "optim.warmup=0.0")
    with pytest.raises(DivergedError, match=r"^training has diverged: .*(epoch \d+, batch \d+|after epoch \d+)"):
        train(config, tmp_path / "run")
    kept = {path.name for path in (tmp_path / "run").glob("*")}
    assert "metrics.json" not in kept
    assert all(finite(path) for path in (tmp_path / "run").glob("*.ckpt"))


def test_the_last_good_checkpoint_is_kept(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _nan_at(monkeypatch, epoch=2)
    with pytest.raises(DivergedError, match=r"the loss is not finite at step 2 \(epoch 3, batch 0\); .*best.ckpt"):
        train(quick(), tmp_path / "run")
    assert finite(tmp_path / "run" / "best.ckpt")
    assert read(tmp_path / "run" / "last.ckpt")["epoch"] == 1


def test_steps_without_a_finite_gradient_are_left_out_if_the_user_wants_it(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _nan_at(monkeypatch, epoch=2, batch=1)
    figures = train(quick("nonfinite=skip", "data.batch_size=16"), tmp_path / "run")
    assert figures["epochs"] == 4
    assert finite(tmp_path / "run" / "last.ckpt")
    assert "epoch 3: 1 of 3 steps skipped: gradient not finite" in capsys.readouterr().out


def test_an_epoch_in_which_every_step_is_left_out_ends_the_run(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _nan_at(monkeypatch, epoch=2)
    with pytest.raises(DivergedError, match="no step of epoch 3 had a finite gradient"):
        train(quick("nonfinite=skip"), tmp_path / "run")


def _nan_at(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int = 0) -> None:
    """Makes the loss of a batch NaN."""
    from tasks.link_prediction.structure import StructurePrediction

    losses = StructurePrediction.losses

    def broken(task: Any, part: Any) -> Any:
        place = (task.trainer.current_epoch, task.trainer.fit_loop.epoch_loop.batch_idx)
        factor = torch.nan if place == (epoch, batch) else 1.0
        return {name: loss * factor for name, loss in losses(task, part).items()}

    monkeypatch.setattr(StructurePrediction, "losses", broken)


def test_weights_that_the_last_step_of_an_epoch_broke_are_noticed(
    quick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """F1 of such weights is a finite number, so nothing else would tell."""
    from tasks.link_prediction.structure import StructurePrediction

    step = StructurePrediction.optimizer_step

    def breaks(task: Any, *arguments: Any, **more: Any) -> None:
        step(task, *arguments, **more)
        next(task.parameters()).data.fill_(torch.inf)

    monkeypatch.setattr(StructurePrediction, "optimizer_step", breaks)
    monkeypatch.setattr(StructurePrediction, "update_metric", lambda *_: None)
    monkeypatch.setattr(StructurePrediction, "on_validation_epoch_end", lambda task: task.log("dev/mrr", 0.5))
    with pytest.raises(DivergedError, match="the weights are not finite after epoch 1, at step 1, first 'backbone"):
        train(quick(), tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.ckpt"))


def test_a_score_that_is_not_finite_is_named(quick: Callable[..., Any], scores: Any, tmp_path: Path) -> None:
    scores(0.5, float("nan"))
    with pytest.raises(DivergedError, match="dev/mrr is nan after epoch 2"):
        train(quick(), tmp_path / "run")
    assert read(tmp_path / "run" / "best.ckpt")["epoch"] == 0


def test_stage_1_that_diverges_is_named(kg_root: Path, tiny: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"loss of stage 1 is .* at epoch \d+, batch 0; its rate is .*stage1\.lr"):
        train(tiny("link_prediction", kg_root, "task.model.stage1.lr=1e38"), tmp_path / "run")


def test_a_diverged_run_is_one_line_and_exit_code_2(run: Callable[..., Any], kg_root: Path) -> None:
    few = ("task=link_prediction", "backbone=kge/transe", "task.epochs=3", "optim.lr=1e38", "optim.warmup=0.0")
    quiet = ("data.atlas_seed=null", "trainer.enable_progress_bar=false", "hydra.run.dir=run")
    code, _, err = run("train", f"data.root={kg_root}", *few, *quiet)
    assert code == 2
    line = next(line for line in err.splitlines() if line.startswith("mkgc: "))
    assert "training has diverged" in said(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": -float("inf")}]])
def test_no_json_holds_what_is_not_finite(value: object, tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{}")
    with pytest.raises(MkgcError, match="not a finite number"):
        write_json(tmp_path / "figures.json", {"score": value})
    assert json.loads((tmp_path / "figures.json").read_text()) == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_what_is_not_finite_is_found_wherever_it_stands(dtype: torch.dtype) -> None:
    good = torch.tensor([torch.finfo(dtype).max, torch.finfo(dtype).min], dtype=dtype)
    assert all_finite([good, torch.empty(0, dtype=dtype)])
    for bad in (torch.nan, torch.inf, -torch.inf):
        assert not all_finite([good, torch.tensor([0.0, bad, 1.0], dtype=dtype)])
    assert not all_finite([torch.sparse_coo_tensor([[1]], [torch.nan], (3,), dtype=dtype, check_invariants=False)])
