"""Runs in stages: what each is made with, where it lies, and what of it is made again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.app.config import check
from mkgc.encoders.vision import VisionEncoder
from mkgc.errors import ConfigError
from mkgc.training.checkpoint import read
from mkgc.training.stages import Stage, plan_stages
from tests.conftest import TINY, composed, said


@pytest.fixture
def planned(tiny: Callable[..., Any], tmp_path: Path) -> Callable[..., list[Stage]]:
    def plan(*keys: str) -> list[Stage]:
        return plan_stages(tiny("retrieval", tmp_path, *keys), tmp_path / "run")

    return plan


def finished(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")


def shown(stages: list[Stage], folder: Path) -> list[tuple[str, Any, Any]]:
    places = ((stage.folder, stage.config.weights, stage.config.resume) for stage in stages)
    return [tuple(None if one is None else str(one).removeprefix(f"{folder}/") for one in each) for each in places]


BOTH = "task.stages=[1,2]"


def test_each_stage_begins_with_the_weights_of_the_one_before(planned: Any, tmp_path: Path) -> None:
    stages = planned(BOTH, "weights=w", "task.stage1.task.epochs=3", "optim.lr=0.5", "task.stage2.optim.lr=0.25")
    assert shown(stages, tmp_path) == [("run/stages/1", "w", None), ("run", "run/stages/1", None)]
    first, second = (stage.config for stage in stages)
    assert (first.task.epochs, first.trainer.max_epochs, first.optim.lr) == (3, 3, 0.5)
    assert (second.task.epochs, second.trainer.max_epochs, second.optim.lr) == (8, 8, 0.25)
    assert (first.backbone.vision_trainable_layers, second.backbone.vision_trainable_layers) == (0, None)
    assert (first.task.stages, second.task.stages) == ([1], [2])


@pytest.mark.parametrize("number", [1, 2])
def test_a_single_stage_is_the_run_itself(planned: Any, tmp_path: Path, number: int) -> None:
    (stage,) = planned(f"task.stages=[{number}]", "weights=w")
    assert shown([stage], tmp_path) == [("run", "w", None)]
    assert stage.config.backbone.vision_trainable_layers == (0 if number == 1 else None)


def test_a_task_without_stages_is_trained_as_it_is(tiny: Any, tmp_path: Path) -> None:
    config = tiny("mre", tmp_path)
    assert plan_stages(config, tmp_path) == [Stage(config, tmp_path)]


def test_a_stage_that_was_interrupted_goes_on(planned: Any, tmp_path: Path) -> None:
    finished(tmp_path / "run" / "stages" / "1", "last.ckpt")
    for resume in ("auto", f"{tmp_path}/run", f"{tmp_path}/run/stages/1/last.ckpt"):
        expected = [("run/stages/1", None, "run/stages/1/last.ckpt"), ("run", "run/stages/1", None)]
        assert shown(planned(BOTH, f"resume={resume}"), tmp_path) == expected


def test_a_finished_stage_is_not_made_again(planned: Any, tmp_path: Path) -> None:
    finished(tmp_path / "run" / "stages" / "1", "last.ckpt", "metrics.json")
    assert shown(planned(BOTH, "resume=auto"), tmp_path) == [("run", "run/stages/1", None)]
    finished(tmp_path / "other" / "stages" / "1", "metrics.json")
    assert shown(planned(BOTH, f"resume={tmp_path}/other"), tmp_path) == [("run", "other/stages/1", None)]


def test_the_last_stage_goes_on_without_the_others(planned: Any, tmp_path: Path) -> None:
    finished(tmp_path / "run" / "stages" / "1", "metrics.json")
    (tmp_path / "run" / "last.ckpt").write_text("")
    assert shown(planned(BOTH, "resume=auto", "weights=w"), tmp_path) == [("run", None, "auto")]


def test_nothing_to_go_on_with_begins_with_stage_1(planned: Any, tmp_path: Path) -> None:
    assert [stage.number for stage in planned(BOTH, "resume=auto")] == [1, 2]


@pytest.mark.parametrize("asked", ["[]", "[3]", "[2,1]", "[1,1]"])
def test_stages_that_there_are_not_are_refused(planned: Any, asked: str) -> None:
    with pytest.raises(ConfigError, match=r"choose \[1\], \[2\], or several in order, such as \[1, 2\]"):
        planned(f"task.stages={asked}")


def test_a_setting_that_there_is_not_is_refused(planned: Any) -> None:
    with pytest.raises(ConfigError, match=r"task.stage1: .*learning_rate"):
        planned("task.stages=[1]", "+task.stage1.optim.learning_rate=1")


@pytest.mark.parametrize(
    ("experiment", "batches", "rates"),
    [
        ("ce_clip_base", [12800, 7680], [5e-5, 6e-5]),
        ("ce_clip_large", [4096, 4096], [2e-5, 2e-5]),
        ("ce_clip_finetuning", [128], [5e-5]),
    ],
)
def test_the_papers_settings_are_those_of_the_stages(
    experiment: str, batches: list[int], rates: list[float], tmp_path: Path
) -> None:
    stages = plan_stages(composed(f"experiment={experiment}", "data.root=there"), tmp_path)
    for stage in stages:
        check(stage.config)
    assert [stage.config.data.batch_size for stage in stages] == batches
    assert [stage.config.optim.lr for stage in stages] == rates
    assert {stage.config.data.max_length for stage in stages} == {52}


def test_one_stage_has_as_many_epochs_as_two(tmp_path: Path) -> None:
    def epochs(name: str) -> list[int]:
        config = composed("experiment=two_stages", f"system={name}", "task.epochs=3")
        return [stage.config.task.epochs for stage in plan_stages(config, tmp_path)]

    assert epochs("two_stages") == [3, 3]
    assert (epochs("stage_1"), epochs("stage_2"), epochs("one_stage")) == ([3], [3], [6])


@pytest.mark.slow
def test_two_stages_are_trained_in_one_command(run: Callable[..., Any], captions_root: Path, tmp_path: Path) -> None:
    keys = ["task=retrieval", f"data.root={captions_root}", *TINY, "task.epochs=2", "data.batch_size=8", BOTH]
    code, out, err = run("train", *keys, "hydra.run.dir=run")
    assert code == 0, err
    assert f"stage 1, into {tmp_path}/run/stages/1" in out
    assert "images: frozen layers have read" in out
    before, after = (read(tmp_path / "run" / place)["state_dict"] for place in ("stages/1/best.ckpt", "best.ckpt"))
    vision = [name for name in before if name.startswith("backbone.vision.")]
    assert any(not torch.equal(before[name], after[name]) for name in vision)
    code, _, err = run("train", *keys, "hydra.run.dir=run")
    assert (code, "a finished run" in said(err)) == (2, True)
    (tmp_path / "run" / "metrics.json").unlink()
    (tmp_path / "run" / "last.ckpt").unlink()
    code, out, err = run("train", *keys, "hydra.run.dir=run", "resume=auto")
    assert code == 0, err
    assert "stage 1" not in out
    code, out, _ = run("report", "runs=run")
    assert out.count("| .") == 1  # the run of stage 1 is no row


@pytest.mark.slow
def test_stage_1_leaves_the_vision_encoder_as_it_is_and_runs_it_once_for_each_image(
    run: Callable[..., Any], captions_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_images: list[int] = []
    embed = VisionEncoder.embed

    def counted(self: VisionEncoder, x: Any) -> Any:
        out = embed(self, x)
        read_images.append(len(out.states))
        return out

    monkeypatch.setattr(VisionEncoder, "embed", counted)
    keys = ["task=retrieval", f"data.root={captions_root}", *TINY, "data.batch_size=8", "task.epochs=3"]
    code, _, err = run("train", *keys, "task.stages=[1]", "hydra.run.dir=first")
    assert code == 0, err
    assert sum(read_images) == 3  # there are images of three colours, shown in 61 pairs of three epochs and two tests
    code, _, err = run("train", *keys, "task.stages=[1]", "hydra.run.dir=second", "weights=first")
    assert code == 0, err
    assert sum(read_images) == 3
    before, after = (read(tmp_path / place / "best.ckpt")["state_dict"] for place in ("first", "second"))
    vision = [name for name in before if name.startswith("backbone.vision.")]
    assert vision
    assert all(torch.equal(before[name], after[name]) for name in vision)
    assert not torch.equal(*(state["backbone.project_image.linear.weight"] for state in (before, after)))
