"""Jobs in other processes are jobs as any: their lines, errors, exit codes, and what is finished."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky import get_reusable_executor

from mkgc.app.packages import ROOT
from tests.conftest import TINY, said
from tests.sweeps.conftest import QUICK, figures


@pytest.fixture(autouse=True)
def _this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the processes import what is tested here; those of another test, which joblib keeps, go."""
    get_reusable_executor(reuse=True).shutdown(wait=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parents[2])]))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "submitit_local", "ray"])
def test_a_launcher_runs_what_is_missing_as_the_sweep_alone_does(
    launcher: str, run: Callable[..., Any], kg_root: Path, tmp_path: Path
) -> None:
    def sweep(folder: str, *words: str) -> tuple[int, str, str]:
        return run("train", "-m", f"data.root={kg_root}", *TINY, *QUICK, f"hydra.sweep.dir={folder}", *words)

    code, out, err = sweep("there", f"launcher={launcher}", "backbone.width=8,-1,16")
    assert code == 2
    first, last = err.splitlines()
    assert first.endswith("job 1 (backbone.width=-1): a structure model with width=-1: there must be at least 1")
    assert last == "mkgc: 1 of 3 jobs failed: job 1 (backbone.width=-1)"
    ended = sorted(line for line in out.splitlines() if line.startswith("job ") and ", epoch" not in line)
    assert [line.partition(":")[0] for line in ended] == ["job 0 (backbone.width=8)", "job 2 (backbone.width=16)"]
    assert "training" not in out  # which is in the job's own folder
    assert "training" in (tmp_path / "there" / "0" / "output.log").read_text()
    assert sweep("here", "backbone.width=8,4,16")[0] == 0
    code, out, err = sweep("there", f"launcher={launcher}", "backbone.width=8,4,16")
    assert (code, err) == (0, "")
    assert out.count("(finished before)") == 2
    by_width = figures(tmp_path / "there")
    assert sorted(by_width.values(), key=str) == sorted(figures(tmp_path / "here").values(), key=str)


@pytest.mark.slow
def test_a_process_that_is_lost_is_a_line_and_what_has_ended_is_kept(
    run: Callable[..., Any], kg_root: Path, tmp_path: Path
) -> None:
    """The task's model of the second job ends its process, as a machine without memory does."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "deadly.py").write_text(
        "import os\n"
        "from tasks.link_prediction.structure import StructurePrediction\n\n\n"
        "class Deadly(StructurePrediction):\n"
        "    def losses(self, batch):\n"
        "        os._exit(9)\n"
    )
    os.environ["PYTHONPATH"] += os.pathsep + str(tmp_path / "mine")
    sys.path.append(str(tmp_path / "mine"))
    words = (f"data.root={kg_root}", *TINY, *QUICK, "launcher=local", "launcher.jobs=2", "hydra.sweep.dir=sweep")
    alive = "task.model._target_=tasks.link_prediction.structure.StructurePrediction"
    try:
        assert run("train", *words, alive)[0] == 0
        code, _, err = run("train", *words, f"{alive},deadly.Deadly")
    finally:
        sys.path.remove(str(tmp_path / "mine"))
    assert code == 2
    assert said(err).startswith("a process of the launcher was lost (TerminatedWorkerError: ")
    assert [*figures(tmp_path / "sweep")] == ["0"]


@pytest.mark.parametrize(
    ("word", "extra"),
    [
        ("launcher=local", "sweep"),
        ("launcher=slurm", "slurm"),
        ("launcher=submitit_local", "slurm"),
        ("experiment=search/transe", "sweep"),
    ],
)
def test_a_launcher_that_is_not_installed_is_a_line_that_names_the_extra(
    word: str, extra: str, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hydra.core.config_store import ConfigStore

    known = ConfigStore.instance().repo["hydra"]
    without = {
        group: {name: node for name, node in known[group].items() if name.startswith(("basic", "_"))}
        for group in ("launcher", "sweeper")
    }
    monkeypatch.setitem(ConfigStore.instance().repo, "hydra", known | without)
    code, _, err = run("train", word)
    assert code == 2
    assert said(err).endswith(f"needs packages that are not installed: pip install mkgc[{extra}]")


def test_without_ray_its_launcher_is_a_line_that_names_the_extra(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mkgc.sweeps.ray.find_spec", lambda _: None)
    code, _, err = run("train", "launcher=ray", "data.root=nowhere", "hydra.sweep.dir=sweep")
    assert (code, said(err)) == (2, "launcher=ray runs jobs with Ray: pip install mkgc[ray]")


def test_settings_of_slurm_reach_submitit() -> None:
    from hydra import compose, initialize_config_module

    with initialize_config_module("conf", version_base="1.3"):
        words = ["launcher=slurm", "launcher.partition=a100", "launcher.gpus=1", "launcher.minutes=90"]
        launcher = compose("train", words, return_hydra_config=True).hydra.launcher
    assert launcher._target_.endswith("SlurmLauncher")
    assert (launcher.partition, launcher.gpus_per_node, launcher.timeout_min) == ("a100", 1, 90)
    assert (launcher.array_parallelism, launcher.max_num_timeout) == (64, 10)
