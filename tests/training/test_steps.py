"""A step of the optimiser reaches every parameter, and is that of one large batch however it is divided."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.steps import (
    CORPUS,
    ENOUGH,
    PAIRS,
    POEMS,
    REST,
    TEACHER,
    WORDS,
    built,
    collated,
    gradients,
    of_one_step,
    without_chance,
)

MODELS = [*ENOUGH, *(pytest.param(*each, marks=pytest.mark.slow) for each in REST)]
ALL = pytest.mark.parametrize(("task", "keys"), MODELS, ids=str)


@pytest.mark.slow
@ALL
def test_every_trainable_parameter_takes_part_in_a_batch_without_images(
    task: Any, keys: Any, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    if task == PAIRS:
        pytest.skip("a caption without an image is no pair")
    model, dataset = built(tiny(task, roots[task], *keys))
    loss = model.loss(collated(model, dataset, range(4), images=False))
    loss.backward()
    assert loss.isfinite()
    assert [name for name, gradient in gradients(model).items() if gradient is None] == []
    assert all(gradient.isfinite().all() for gradient in gradients(model).values())


@pytest.mark.slow
@ALL
def test_accumulated_batches_of_unequal_size_learn_what_the_large_batch_does(
    task: Any, keys: Any, roots: dict[str, Path], tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if keys == ("backbone=mkgformer_released",) and task != "link_prediction":
        pytest.skip("its prefix reads the padding, which depends on the batch")
    if task == CORPUS and keys not in (WORDS, ("system=bert_pretraining",)):
        pytest.skip("mentions are compared with their batch's, and each objective is a mean over questions of its own")
    if task == POEMS and "words=0.0" not in keys[-1] and TEACHER in keys:
        pytest.skip("hidden pieces and poems are counted apart: each loss is a mean over its own")
    if task == PAIRS:
        pytest.skip("pairs are compared with their batch's: chunks make it large, and not accumulation")
    without_chance(monkeypatch)
    model, dataset = built(tiny(task, roots[task], *keys))
    model.double()
    large = [collated(model, dataset, range(8))]
    whole = {name: gradient.clone() for name, gradient in of_one_step(model, large).items()}
    parts = of_one_step(model, [collated(model, dataset, rows) for rows in (range(5), range(5, 8))])
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-6, atol=1e-6, msg=name)
