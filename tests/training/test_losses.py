"""Parts of a loss are weighted, summed and logged by the base of all tasks, and compiled where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mkgc.batch import IGNORED
from mkgc.errors import ConfigError
from mkgc.training.trainer import compile_task
from tasks.mre.task import RelationExtraction
from tests.steps import built, collated
from tests.test_purity import rest_checks


class TwoParts(RelationExtraction):
    """The loss of relations, and the size of their scores."""

    loss_weights = {"size": 0.25}

    def losses(self, batch: Any) -> dict[str, Tensor]:
        return super().losses(batch) | {"size": self.scores(batch).square().mean()}


@pytest.fixture
def model(mre_root: Path, tiny: Callable[..., Any]) -> Any:
    task, dataset = built(tiny("mre", mre_root, "backbone=text_only"))
    return task, collated(task, dataset, range(4))


def test_the_loss_is_the_weighted_sum_of_its_parts_and_each_is_logged(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, batch = model
    task.__class__, logged = TwoParts, {}
    monkeypatch.setattr(task, "log", lambda name, value, **_: logged.update({name: value}))
    monkeypatch.setattr(TwoParts, "_batches_of_a_step", lambda _: 1)
    parts = task.losses(batch)
    torch.testing.assert_close(task.training_step(batch, 0), parts["relation"] + 0.25 * parts["size"])
    torch.testing.assert_close(task.loss(batch), logged["train/loss"])
    assert logged.keys() == {"train/loss", "train/relation", "train/size"}
    torch.testing.assert_close(logged["train/size"], parts["size"])


def test_records_without_a_label_are_scored_and_not_learned_from(model: Any) -> None:
    task, batch = model
    record = {"text": "Ada and Bob today", "head": "Ada", "tail": "Bob"}
    asked = task.processor.parse(record, Path(), "here")
    assert asked.label == IGNORED
    labels = batch.labels.index_fill(0, torch.tensor([1, 3]), IGNORED)
    partly = replace(batch, labels=labels)
    expected = F.cross_entropy(task.scores(batch)[[0, 2]], batch.labels[[0, 2]])
    torch.testing.assert_close(task.loss(partly), expected)
    assert task.weight(partly) == 2
    without = replace(batch, labels=torch.full_like(labels, IGNORED))
    assert (task.loss(without), task.weight(without)) == (0, 0)


def test_no_compiler_is_one_line(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("none-such",))
    with pytest.raises(ConfigError, match=r"trainer\.compile=true needs a C\+\+ compiler"):
        compile_task(model[0])


@pytest.mark.slow
def test_a_compiled_task_learns_what_the_same_does_as_it_is(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, batch = model
    expected = task.loss(batch)
    compiles = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **how: compiles(function, backend="aot_eager", **how))
    rest_checks(monkeypatch)
    compile_task(task)
    torch.testing.assert_close(task.loss(batch), expected)
