"""On an accelerator, losses, gradients and answers are those of the CPU, and half precision trains."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from mkgc.train import train
from tests.conftest import TINY, composed
from tests.steps import ENOUGH, built, collated, without_chance

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize(("task", "keys"), ENOUGH)
def test_a_step_is_that_of_the_cpu(
    task: str, keys: tuple[str, ...], roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_chance(monkeypatch)
    here, dataset = built(composed(f"task={task}", f"data.root={roots[task]}", *TINY, *keys))
    there, batch = copy.deepcopy(here).to("cuda"), collated(here, dataset, range(6))
    expected = here.loss(batch)
    found = there.loss(batch.to(there.device))
    expected.backward()
    found.backward()
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)
    ours = dict(there.named_parameters())
    for name, parameter in here.named_parameters():
        if parameter.grad is not None:
            gradient = ours[name].grad.cpu().to_dense()
            torch.testing.assert_close(gradient, parameter.grad.to_dense(), rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_half_precision_trains_and_a_resumed_run_goes_on(task: str, roots: dict[str, Path], tmp_path: Path) -> None:
    config = composed(f"task={task}", f"data.root={roots[task]}", *TINY, "trainer=gpu", "task.epochs=2")
    figures = train(config, tmp_path / "run")
    assert figures["epochs"] == 2
    again = composed(f"task={task}", f"data.root={roots[task]}", *TINY, "trainer=gpu", "task.epochs=3")
    again.resume = str(tmp_path / "run" / "last.ckpt")
    assert train(again, tmp_path / "run")["epochs"] == 3
