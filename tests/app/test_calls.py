"""`mkgc.train(…)` and `mkgc.evaluate(…)` do what the commands do, with figures for lines, exceptions for exit codes."""

import importlib
import json
import logging
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import mkgc
from mkgc.app.bugs import record_bug
from mkgc.app.calls import _typed
from mkgc.app.signals import Ended
from mkgc.errors import CheckpointError, ConfigError
from tests.conftest import TINY


@pytest.mark.slow
def test_a_run_and_its_evaluation_are_those_of_the_commands(
    run: Callable[..., Any], mre_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*TINY, "task.epochs=1"]
    code, told, _ = run("train", *given, f"data.root={mre_root}", "hydra.run.dir=typed")
    assert code == 0
    before = logging.root.manager.disable, list(warnings.filters), HydraConfig.instance().cfg
    figures, folder = mkgc.train(*given, {"data.root": mre_root, "hydra.run.dir": "called"}, task="mre")
    assert capsys.readouterr().out.splitlines()[:-3] == told.splitlines()[:-3], "but for its folder, rate and seconds"
    assert folder == tmp_path / "called"
    assert json.loads((folder / "metrics.json").read_text()) == figures
    assert figures["test"] == json.loads((tmp_path / "typed" / "metrics.json").read_text())["test"]
    assert mkgc.evaluate(checkpoint=folder / "best.ckpt") == pytest.approx(figures["test"], abs=1e-6)
    dev = mkgc.evaluate({"checkpoint": folder / "best.ckpt"}, split="dev", output="dev.json")
    assert json.loads((tmp_path / "dev.json").read_text()) == {"dev": dev}
    assert (logging.root.manager.disable, list(warnings.filters), HydraConfig.instance().cfg) == before
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize(
    ("given", "keys", "line"),
    [
        (["task=mri"], {}, "Could not find 'task/mri'"),
        (["task"], {}, "'task' is not understood: give key=value"),
        ([{"optim.lr": "fast"}], {}, "optim.lr=fast: must be a number"),
        ([], {"pictures": 3}, "pictures: no such key; here has system_tasks, seed"),
        (["data.pictures=1"], {}, "data.pictures is called data.images now"),
        ([], {"weights": "none.ckpt"}, "no checkpoint at 'none.ckpt'"),
        ([{"trainer.devices": 2}], {}, "a program trains on one device, not 2"),
    ],
)
def test_a_mistake_is_the_commands_line_as_an_exception(
    mre_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Any, keys: Any, line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mkgc.errors.MkgcError) as found:
        mkgc.train(f"data.root={mre_root}", *TINY, *given, **keys)
    assert line in str(found.value)
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "runs").exists()


def test_an_evaluation_needs_a_checkpoint() -> None:
    with pytest.raises(ConfigError, match="give checkpoint=…"):
        mkgc.evaluate()
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        mkgc.evaluate(checkpoint="it's none.ckpt")


def test_an_interruption_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Any) -> None:
        raise Ended("interrupted", 130)

    monkeypatch.setattr(importlib.import_module("mkgc.evaluate"), "_evaluated", interrupted)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        mkgc.evaluate(checkpoint="x")


def test_values_are_written_so_that_hydra_reads_them_back() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    values = {"a": "it's = {odd}, [x]\\", "b.c": [1, 2.5e-7, None, True, "x y"], "d": {"image": 64}, "e": "", "f": "无"}
    parsed = OverridesParser.create().parse_overrides(_typed(values))
    assert {one.key_or_group: one.value() for one in parsed} == values


def test_the_version_is_the_distributions() -> None:
    assert mkgc.__version__ == version("mkgc")
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = mkgc.fit


def test_a_folder_on_the_path_has_no_version_and_its_bugs_are_reported_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("mkgc.app.provenance.version", missing)
    assert mkgc.__version__ == "unknown"
    assert record_bug(KeyError("x"), tmp_path).startswith("KeyError: 'x': a bug of mkgc; please report it with ")
    (report,) = tmp_path.glob("mkgc-error-*.log")
    assert report.read_text().startswith("mkgc unknown, Python ")
