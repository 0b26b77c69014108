from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback

from mkgc import train as module
from mkgc.metrics.ranking import RankingMetrics


class KilledError(Exception):
    """In the place of a signal: nothing of the run is done after it."""


class Kill(Callback):
    """Ends the run where a hook is called for the n-th time."""

    def __init__(self, hook: str, times: int) -> None:
        self.left = times
        setattr(self, hook, self._count)

    def _count(self, *_: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise KilledError


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, DictConfig, Path], None]:
    """Trains, and kills the run at a hook after so many calls of it."""

    def run(hook: str, times: int, config: DictConfig, folder: Path) -> None:
        build = module.build_trainer

        def with_kill(*arguments: object) -> object:
            trainer = build(*arguments)
            trainer.callbacks.insert(0, Kill(hook, times))
            return trainer

        with monkeypatch.context() as patch, pytest.raises(KilledError):  # noqa: PT012
            patch.setattr(module, "build_trainer", with_kill)
            module.train(config, folder)

    return run


@pytest.fixture
def quick(tiny: Callable[..., DictConfig], kg_root: Path) -> Callable[..., DictConfig]:
    """A training configuration of a model that makes an epoch in a moment."""

    def config(*overrides: str) -> DictConfig:
        few = ("backbone=kge/distmult", "task.epochs=4", "data.batch_size=64", "optim.warmup=0.0", "backbone.width=16")
        return tiny("link_prediction", kg_root, *few, *overrides)

    return config


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets dev (and test) score what a test wants, one number after the other."""

    def say(*values: float) -> None:
        left = iter(values)
        monkeypatch.setattr(RankingMetrics, "compute", lambda _: {"mrr": next(left)})

    return say
