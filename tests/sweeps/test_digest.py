"""A run is found by a digest of its settings: equal for what makes equal figures, and different for all else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from mkgc.reports.saved import read_settings
from mkgc.sweeps.digest import config_digest, settings_digest
from mkgc.training.run import write_settings


@pytest.fixture
def config(tiny: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    return lambda *words: tiny("mre", tmp_path / "data", *words)


def test_a_composed_configuration_has_the_digest_of_the_config_yaml_that_its_run_writes(
    config: Callable[..., Any], tmp_path: Path
) -> None:
    composed = config("optim.lr=1e-5", "data.images={image: 16, crops: 8}", "+optim.optimizer.eps=1e-9")
    written = OmegaConf.merge(composed, {"resume": None, "overwrite": False})
    OmegaConf.set_struct(written, False)
    written.run = "1a2b3c4d"
    write_settings(tmp_path, written)
    assert settings_digest(read_settings(tmp_path / "config.yaml")) == config_digest(composed)


@pytest.mark.parametrize(
    "word",
    ["overwrite=true", "resume=auto", "logger=tensorboard", "data.workers=3", "launcher=local", "launcher=ray"],
)
def test_what_no_figure_depends_on_does_not_count(config: Callable[..., Any], word: str) -> None:
    assert config_digest(config(word)) == config_digest(config())


@pytest.mark.parametrize(
    "word",
    ["seed=1", "optim.lr=0.5", "data.subset_seed=7", "smoke=true", "variant=full", "data.root=elsewhere", "patience=3"],
)
def test_everything_else_counts(config: Callable[..., Any], word: str) -> None:
    assert config_digest(config(word)) != config_digest(config())


def test_a_reference_counts_as_what_it_refers_to(config: Callable[..., Any]) -> None:
    assert config_digest(config("size.lr=0.5")) != config_digest(config("size.lr=0.25"))
    assert config_digest(config("data.root=data/mre")) == config_digest(config("data.root=data/${task.name}"))
