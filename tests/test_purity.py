"""Losses, scores and updates of metrics are tensor programs: they compile whole, and never wait for an accelerator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import isfunction
from pathlib import Path
from typing import Any

import jaxtyping._decorator
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from mkgc.batch import Part
from mkgc.training.task import Task
from tests.steps import EVERY, built, collated

BATCHES = [[0, 3, 5, 9], [1, 2, 4, 6, 7, 8]]
"""Training examples of two batches of different sizes."""

FAST = {
    "mre-backbone=text_only",
    "mner-backbone=text_only",
    "link_prediction-backbone=kge/rsme",
    "relation_classification-data=linked",
    "knowledge_pretraining-system=bert_pretraining",
    "retrieval-size.trainable_layers=1-size.side_trainable_layers=0",
    "poetry_pretraining-task.data.teacher=${data.root}/teacher.ckpt",
    "poetry_retrieval-task.data.teacher=${data.root}/teacher.ckpt-task.source.judgements=${data.root}/judgements.jsonl"
    "-task.model.learn=true",
}
"""The smallest model of each task, for the fast tier."""


Case = tuple[str, tuple[str, ...]]

KINDS = "backbone=", "system=", "task.model.structure"
"""What a model of another kind is told by."""


def _name(case: Case) -> str:
    return "-".join((case[0], *case[1]))


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    return [] if _name(case) in FAST else [pytest.mark.slow]


def _backbones() -> list[Case]:
    """The first model of each task, backbone and objective: to compile one takes seconds, and heads are a few lines."""
    kinds: dict[Case, Case] = {}
    for task, overrides in EVERY:
        kind = task, tuple(word for word in overrides if word.startswith(KINDS))
        kinds.setdefault(kind, (task, overrides))
    return list(kinds.values())


@pytest.fixture
def model(
    case: Case, roots: dict[str, Path], tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[Task, list[Any]]:
    """A model without dropout and two batches of its data; jaxtyping's checks, which no compiler reads, rest."""
    name, overrides = case
    task, dataset = built(tiny(name, roots[name], *overrides))
    batches = [collated(task, dataset, rows) for rows in BATCHES]
    rest_checks(monkeypatch)
    return task, batches


def rest_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends jaxtyping's checks."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for kind, method, plain in _checked():
        monkeypatch.setattr(kind, method, plain)


def _checked() -> list[tuple[type, str, Any]]:
    """Methods of our classes that jaxtyping checks, and what they are without: a compiler cannot read its wrappers."""
    modules = [module for name, module in sys.modules.items() if name.startswith(("mkgc.", "tasks."))]
    kinds = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    members = [(kind, name, member) for kind in kinds for name, member in vars(kind).items()]
    methods = [(kind, name, method.__wrapped__) for kind, name, method in members if _is_checked(method)]
    getters = [(k, n, property(p.fget.__wrapped__)) for k, n, p in members if _is_checked(getattr(p, "fget", None))]
    return [*methods, *getters]


def _is_checked(method: Any) -> bool:
    return isfunction(method) and method.__code__.co_filename == jaxtyping._decorator.__file__


@pytest.mark.slow
@pytest.mark.parametrize("case", _backbones(), ids=_name)
def test_loss_and_scores_compile_as_one_graph_for_batches_of_any_size(model: Any) -> None:
    task, batches = model

    def loss_and_scores(batch: Any) -> Any:
        return task.loss(batch), task.scores(batch)

    torch._dynamo.reset()
    compiled = torch.compile(loss_and_scores, fullgraph=True, dynamic=True, backend="eager")
    for batch in batches:
        got, expected = (_seeded(function, batch) for function in (compiled, loss_and_scores))
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", [pytest.param(case, id=_name(case), marks=_marks(case)) for case in EVERY])
def test_an_accelerator_never_waits_for_the_host(model: Any) -> None:
    task, (batch, _) = model
    pretend, metric = Pretended(), task.metrics["test"]
    pretend.module(task)
    batch = pretend.part(batch)
    with pretend.mode, torch.no_grad():
        out = task.loss(batch), task.scores(batch), task.record(batch, task.update_metric(batch, metric))
    states = [getattr(metric, name) for name in metric._defaults]
    assert {leaf.device.type for leaf in tree_leaves((out, states)) if isinstance(leaf, Tensor)} == {"cuda"}


@pytest.mark.parametrize(
    "waits",
    [
        lambda x: x.max().item(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.zeros(int(x.sum())),
        lambda x: x.repeat_interleave(x.long()),
        lambda x: x if x.any() else -x,
        lambda x: x + torch.ones(3),
        lambda x: x.cpu().tolist(),
    ],
)
def test_a_wait_is_found(waits: Callable[[Tensor], Any]) -> None:
    pretend = Pretended()
    x = pretend.tensor(torch.tensor([1.0, 0.0, 2.0]))
    with pretend.mode, pytest.raises(RuntimeError):
        waits(x)


def _seeded(function: Any, batch: Any) -> list[Any]:
    torch.manual_seed(0)
    return tree_leaves(function(batch))


class Pretended:
    """Makes tensors fake ones on an accelerator, which need no such device: only shapes and devices are computed.

    What reads a fake's content raises an error, and so does what mixes devices, or fakes with tensors left real.
    """

    def __init__(self) -> None:
        self.mode = FakeTensorMode()
        self.made: dict[int, tuple[Tensor, Tensor]] = {}

    def tensor(self, real: Tensor) -> Tensor:
        """The fake of a tensor; one that is shared stays so."""
        if id(real) not in self.made:
            fake = self.mode.from_tensor(real.detach())
            with self.mode:
                self.made[id(real)] = real, fake.to("cuda")
        return self.made[id(real)][1]

    def module(self, task: Task) -> None:
        """Puts fakes in the place of parameters, buffers and states of metrics."""
        for module in task.modules():
            for name, real in module._parameters.items():
                module._parameters[name] = None if real is None else nn.Parameter(self.tensor(real), real.requires_grad)
            for name, buffer in module._buffers.items():
                module._buffers[name] = None if buffer is None else self.tensor(buffer)
        for metric in task.metrics.values():
            for name in metric._defaults:
                state = getattr(metric, name)
                setattr(metric, name, self.tensor(state) if isinstance(state, Tensor) else state)

    def part(self, value: Any) -> Any:
        """A batch with fakes for its tensors."""
        if isinstance(value, Tensor):
            return self.tensor(value)
        if isinstance(value, tuple):
            return tuple(map(self.part, value))
        return type(value)(**{n: self.part(v) for n, v in vars(value).items()}) if isinstance(value, Part) else value
