"""The README's tour does what it says, command by command, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def _commands() -> list[str]:
    tour = README.read_text().partition("## A tour")[2].partition("```sh")[2].partition("```")[0]
    return tour.strip().splitlines()


@pytest.mark.slow
def test_every_command_of_the_tour_works(tmp_path: Path) -> None:
    own = Path(sys.executable).parent
    paths = {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(README.parent)}
    commands = _commands()
    assert {word for line in commands for word in line.split() if word.startswith("mkgc.")} == {
        f"mkgc.{verb}" for verb in ("check", "train", "evaluate", "predict", "explain", "report")
    }
    said = {}
    for line in commands:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        said[line.partition("#")[0].strip()] = done.stdout
    assert "training may go on (fatal: 0" in said["python -m mkgc.check task=mre"]
    answer = json.loads((tmp_path / "answers.jsonl").read_text())
    assert [set(entity) for entity in answer["entities"]] == [{"id", "name", "score"}] * 3
    assert "borders" in json.dumps(answer["query"])
    assert (
        "MRR of the relations that change it most"
        in said["python -m mkgc.report 'compare=[runs/distmult,runs/complex]'"]
    )
