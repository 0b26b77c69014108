"""What lies in a sweep's folder is told apart, whatever has happened to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.sweeps.digest import config_digest
from mkgc.sweeps.folder import State, find_run, find_runs, free_name
from mkgc.train import train


@pytest.fixture
def ended(quick: Callable[..., Any], tmp_path: Path) -> Path:
    """A run that has ended, in a sweep's folder."""
    train(quick("task.epochs=1"), tmp_path / "sweep" / "0")
    return tmp_path / "sweep" / "0"


def test_a_finished_run_is_known_by_its_settings(ended: Path, quick: Callable[..., Any]) -> None:
    found = find_run(ended)
    assert (found.state, found.problem) == (State.FINISHED, "")
    assert found.digest == config_digest(quick("task.epochs=1"))
    assert found.figures["test"]["mrr"] > 0


def test_a_run_is_unfinished_begun_or_damaged_by_what_is_left_of_it(ended: Path, quick: Callable[..., Any]) -> None:
    figures = (ended / "metrics.json").read_text()
    (ended / "metrics.json").write_text(figures[:20])
    found = find_run(ended)
    assert found.state is State.UNFINISHED
    assert "is no JSON" in found.problem
    (ended / "metrics.json").write_text(json.dumps(json.loads(figures) | {"run": "another"}))
    assert "another run's" in find_run(ended).problem
    (ended / "metrics.json").unlink()
    assert (find_run(ended).state, find_run(ended).problem) == (State.UNFINISHED, "")
    last = bytearray((ended / "last.ckpt").read_bytes())
    last[len(last) // 2] ^= 1
    (ended / "last.ckpt").write_bytes(last)
    assert find_run(ended).state is State.DAMAGED
    assert find_run(ended).problem == f"{ended}/last.ckpt: is damaged"
    (ended / "last.ckpt").unlink()
    assert find_run(ended).state is State.BEGUN
    (ended / "config.yaml").write_text("{")
    assert (find_run(ended).state, find_run(ended).digest) == (State.DAMAGED, None)


def test_what_was_put_aside_or_is_hidden_is_no_run(ended: Path) -> None:
    sweep = ended.parent
    for place in (".replaced/1", ".submitit/7"):
        (ended / place).mkdir(parents=True)
        (ended / place / "metrics.json").write_text((ended / "metrics.json").read_text())
    (sweep / "config.yaml").write_text("the sweep's own")
    assert [*find_runs(sweep)] == ["0"]
    assert find_runs(sweep / "nowhere") == {}


def test_a_name_that_is_taken_gets_the_next_number() -> None:
    assert free_name("3", {"0", "1"}) == "3"
    assert free_name("0", {"0", "1", "7_x", "x"}) == "8"
    assert free_name("1_transe", {"1_transe"}) == "2_transe"
    assert free_name("a", {"a", "a_2"}) == "a_3"
