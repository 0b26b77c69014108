"""A task of one's own in one's own package, with mkgc from its wheel, beside a folder `tasks` of the user's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile

import pytest

from tests.conftest import COLOURS
from tests.projects.conftest import ROOT
from tests.test_new_task import readmes_files, write_posts

pytestmark = pytest.mark.slow

BUILD = "import sys, setuptools.build_meta; setuptools.build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, and nothing else of the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    for name in ("mkgc", "tasks", "conf"):  # a copy: building leaves folders behind
        copytree(ROOT / name, place / "source" / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        copy(ROOT / name, place / "source" / name)
    subprocess.run([sys.executable, "-c", BUILD, str(place)], cwd=place / "source", capture_output=True, check=True)
    (wheel,) = place.glob("*.whl")
    ZipFile(wheel).extractall(place / "site")
    return place / "site"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The README's task as a package `moods`, posts whose mood the colour of their image tells, and `tasks` to do."""
    for name, text in readmes_files():
        place = tmp_path / {"tasks": "moods/mood.py", "conf": "settings/task/mood.yaml"}[name.split("/")[0]]
        place.parent.mkdir(parents=True)
        place.write_text(text.replace("tasks.mood.task", "moods.mood"), encoding="utf-8")
    (tmp_path / "moods/__init__.py").touch()
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/__init__.py").write_text("raise RuntimeError('what is to be done')\n")
    write_posts(tmp_path / "posts", "Look at this, no. {}! 😀")
    return tmp_path


def test_from_files_to_predictions(project: Path, site: Path, shell: Callable[..., str]) -> None:
    own = {"PYTHONPATH": f"{site}:{project}"}
    data = f"task=mood data.root=posts 'data.images={{image: 32}}' hydra.searchpath=[file://{project}/settings]"
    assert str(site / "mkgc") in shell("python -c 'import mkgc; print(mkgc.__file__)'", environment=own)
    assert "training may go on" in shell(f"python -m mkgc.check {data}", environment=own)
    shell(f"python -m mkgc.train {data} task.epochs=2 hydra.run.dir=runs/mood", environment=own)
    refused = shell("python -m mkgc.evaluate checkpoint=runs/mood/best.ckpt", code=2, environment=own)
    assert "trusted=[moods]" in refused
    trusted = "checkpoint=runs/mood/best.ckpt trusted=[moods]"
    assert "test/f1" in shell(f"python -m mkgc.evaluate {trusted}", environment=own)
    (project / "ask.jsonl").write_text(json.dumps({"text": "Look at this!", "image": "posts/test0.png"}))
    shell(f"python -m mkgc.predict {trusted} input=ask.jsonl output=answers.jsonl", environment=own)
    (answer,) = map(json.loads, (project / "answers.jsonl").read_text().splitlines())
    assert answer["mood"] in {f"like {colour}" for colour in COLOURS}
