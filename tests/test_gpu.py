"""On an accelerator, losses, gradients and answers are those of the CPU, no step waits, and half precision trains."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from mkgc.train import train
from tests.conftest import TINY, composed
from tests.steps import ENOUGH, EVERY, built, collated, without_chance
from tests.test_purity import rest_checks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize(("task", "keys"), EVERY)
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


@pytest.mark.parametrize(("task", "keys"), EVERY)
def test_losses_scores_and_metrics_never_wait(task: str, keys: tuple[str, ...], roots: dict[str, Path]) -> None:
    made, dataset = built(composed(f"task={task}", f"data.root={roots[task]}", *TINY, *keys))
    made, metric = made.to("cuda"), made.metrics["test"].to("cuda")
    batch = collated(made, dataset, range(6)).to(made.device)

    def step() -> None:
        loss = made.loss(batch)
        with torch.no_grad():
            made.update_metric(batch, metric)
        if not any(parameter.layout == torch.sparse_coo for parameter in made.parameters()):
            loss.backward()

    step()  # what libraries set up once may wait
    with no_waiting():
        step()


@contextmanager
def no_waiting() -> Iterator[None]:
    """Makes whatever waits for the accelerator an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(("task", "keys"), ENOUGH)
def test_half_precision_trains_and_a_resumed_run_goes_on(
    task: str, keys: tuple[str, ...], roots: dict[str, Path], tmp_path: Path
) -> None:
    config = composed(f"task={task}", f"data.root={roots[task]}", *TINY, *keys, "trainer=gpu", "task.epochs=2")
    figures = train(config, tmp_path / "run")
    assert figures["epochs"] == 2
    again = composed(f"task={task}", f"data.root={roots[task]}", *TINY, *keys, "trainer=gpu", "task.epochs=3")
    again.resume = str(tmp_path / "run" / "last.ckpt")
    assert train(again, tmp_path / "run")["epochs"] == 3


def test_compiled_steps_train(mre_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed("task=mre", f"data.root={mre_root}", *TINY, "trainer=gpu", "trainer.compile=true")
    rest_checks(monkeypatch)
    assert train(config, tmp_path / "run")["epochs"] == config.task.epochs
