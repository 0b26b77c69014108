"""Networks of any precision are trained, whether a batch shows images or not; what cannot be trained is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.batch import Images
from mkgc.data.dataset import read_dataset
from mkgc.errors import ConfigError
from mkgc.evaluate import evaluate
from mkgc.inference import load
from mkgc.train import train
from mkgc.training.checkpoint import build_task, open_trained, read
from mkgc.training.precision import precision_settings
from tests.conftest import composed

TASKS = ["mre", "mner", "link_prediction"]
TRUE = {"64-true": torch.float64, "bf16-true": torch.bfloat16}


@pytest.mark.slow
@pytest.mark.parametrize("precision", TRUE)
@pytest.mark.parametrize("task", TASKS)
def test_weights_have_the_precision_that_was_asked_for(
    precision: str, task: str, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny(task, roots[task], "task.epochs=1", f"trainer.precision={precision}"), tmp_path / "run")
    weights = read(tmp_path / "run" / "best.ckpt")["state_dict"].values()
    assert {value.dtype for value in weights if value.is_floating_point()} == {TRUE[precision]}


@pytest.mark.slow
@pytest.mark.parametrize("precision", TRUE)
def test_a_trained_model_keeps_its_precision(
    precision: str, roots: dict[str, Path], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    figures = train(tiny("mre", roots["mre"], "task.epochs=1", f"trainer.precision={precision}"), run)
    task, _ = open_trained(run / "best.ckpt")
    assert {p.dtype for p in task.parameters()} == {TRUE[precision]}
    assert evaluate(composed(f"checkpoint={run / 'best.ckpt'}", name="evaluate")) == figures["test"]
    (answer,) = load(run / "best.ckpt").predict([{"text": "Ada and Bob", "head": "Ada", "tail": "Bob"}])
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=0.01)


SLOW = [("64-true", "kge/transe"), *((p, f"kge/{name}") for p in TRUE for name in ("transae", "ikrl", "rotate"))]


@pytest.mark.parametrize(
    ("precision", "backbone"),
    [("bf16-true", "kge/transe"), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SLOW)],
)
def test_distances_are_learned_in_any_precision(
    precision: str, backbone: str, quick: Callable[..., Any], tmp_path: Path
) -> None:
    keys = (f"backbone={backbone}", "backbone.width=16", "task.epochs=1", f"trainer.precision={precision}")
    config = quick(*keys)
    train(config, tmp_path / "run")
    learned = read(tmp_path / "run" / "last.ckpt")["state_dict"]
    drawn = build_task(config, read_dataset(config).processor).to(TRUE[precision]).state_dict()
    moved = [name for name in learned if not torch.equal(learned[name], drawn[name])]
    assert {"kge.entities.weight", "kge.relations.weight"} <= set(moved)
    assert all(torch.isfinite(learned[name]).all() for name in moved)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("backbone", ["mkgformer", "mkgformer_released", "vilbert", "visualbert"])
@pytest.mark.parametrize("task", TASKS)
def test_a_batch_without_images_goes_through_a_network_of_any_precision(
    dtype: Any, backbone: Any, task: Any, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    config = tiny(task, roots[task], f"backbone={backbone}")
    dataset = read_dataset(config)
    network = build_task(config, dataset.processor).to(dtype)
    batch: Any = dataset.processor.collate([dataset.features["train"][i] for i in range(3)], dataset.store)
    for images in (tuple(_empty(group) for group in batch.images), ()):
        loss = network.loss(replace(batch, images=images))
        loss.backward()
        assert torch.isfinite(loss)


def _empty(group: Images) -> Images:
    return replace(group, pixels=group.pixels[:0], slots=torch.full_like(group.slots, -1))


def test_16_bits_without_a_float32_copy_are_refused_with_what_works_instead(
    quick: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="trainer.precision=16-true: .*choose 16-mixed, or bf16-true"):
        train(quick("trainer.precision=16-true"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["8", "fp8", "32-mixed", None, 7])
def test_a_precision_that_does_not_exist_is_refused(precision: object) -> None:
    with pytest.raises(ConfigError, match=f"trainer.precision={precision}: choose 32-true, bf16-mixed"):
        precision_settings(precision)


@pytest.mark.parametrize(("given", "meant"), [(32, "32-true"), ("bf16", "bf16-mixed"), ("16", "16-mixed")])
def test_lightnings_short_names_are_understood(given: object, meant: str) -> None:
    assert precision_settings(given) == (meant, [])
