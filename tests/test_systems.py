"""Tables of systems: every row is trained by one command, and the table comes at its end."""

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.core.utils import JobReturn, JobStatus

from mkgc.app.models import systems
from mkgc.data.dataset import read_dataset
from mkgc.errors import MkgcError
from mkgc.reports.callback import SweepReport, report_sweep
from mkgc.reports.evidence import Statistics
from mkgc.reports.found import read_runs
from mkgc.reports.runs import list_runs
from mkgc.train import train
from tests.conftest import TINY

pytestmark = pytest.mark.slow  # the whole file takes a minute

EXPERIMENTS = ("table1_lp", "table2_lp_8shot")


def composed(*overrides: str, hydra: bool = False) -> Any:
    with initialize_config_module("conf", version_base="1.3"):
        return compose("train", list(overrides), return_hydra_config=hydra)


def rows() -> list[str]:
    swept = composed("experiment=table1_lp", hydra=True).hydra.sweeper.params.system
    return swept.split(",")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_table_is_a_sweep_over_all_systems(experiment: str) -> None:
    config = composed(f"experiment={experiment}", hydra=True)
    assert config.hydra.mode.name == "MULTIRUN"
    assert sorted(rows()) == systems("link_prediction")
    assert config.hydra.sweep.dir.startswith(f"runs/{experiment}/")


def test_table_2_trains_on_eight_triples_of_each_relation(kg_root: Path) -> None:
    few, all_ = (
        read_dataset(composed(f"experiment={e}", "system=rotate", f"data.root={kg_root}", "data.atlas_seed=null"))
        for e in ("table2_lp_8shot", "table1_lp")
    )
    assert len(few.features["train"].triples) == 8 * 2
    assert len(all_.features["train"].triples) == 60
    assert len(few.features["test"]) == len(all_.features["test"])


@pytest.mark.parametrize("system", rows())
def test_every_row_trains_and_is_named_in_the_table(system: str, kg_root: Path, tmp_path: Path) -> None:
    keys = ("experiment=table1_lp", f"system={system}", f"data.root={kg_root}", "data.atlas_seed=null", *TINY)
    config = composed(*keys, "task.epochs=2")
    train(config, tmp_path / "0")
    table, *_ = list_runs(read_runs([tmp_path]), Statistics(True, 50))
    assert [row[table.columns.index("system")] for row in table.rows] == [config.system]
    written = json.loads((tmp_path / "0" / "metrics.json").read_text())
    assert table.rows[0][table.columns.index("mrr")][0] == pytest.approx(written["test"]["mrr"])


def test_a_job_that_failed_is_a_row_that_says_so(
    kg_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ("experiment=table1_lp", f"data.root={kg_root}", *TINY, f"hydra.sweep.dir={tmp_path}")
    config = composed(*keys, "system=transe", f"hydra.runtime.output_dir={tmp_path}/1_transe", hydra=True)
    SweepReport().on_job_end(config, JobReturn(status=JobStatus.FAILED, _return_value=MkgcError("no luck")))
    train(
        composed(*keys[:2], *TINY, "data.atlas_seed=null", "system=distmult", "task.epochs=2"), tmp_path / "0_distmult"
    )
    report_sweep(tmp_path, intervals=True)
    out = capsys.readouterr().out
    assert "| 1_transe | TransE |  | 0 |" in out
    assert "| 0_distmult | DistMult | 0 | 1 | " in out
    assert "- 1_transe (seed 0) failed: no luck\n" in out
    assert (tmp_path / "table.md").read_text() in out
    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {"link_prediction_training.png"}
