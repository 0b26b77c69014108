"""`tasks` and `conf` are the distribution's, whatever a user's folder holds by these names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mkgc.app import packages
from mkgc.app.packages import own_tasks
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
REFUSES = "raise RuntimeError('the user own tasks were imported')\n"


def test_a_programs_own_tasks_has_its_name_again(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ModuleType("tasks")
    monkeypatch.setitem(sys.modules, "tasks", theirs)
    with own_tasks():
        ours = sys.modules["tasks"]
        assert Path(str(ours.__file__)) == ROOT / "tasks" / "__init__.py"
    assert sys.modules["tasks"] is theirs
    with own_tasks():
        assert sys.modules["tasks"] is ours, "one copy, so that what it holds has one identity"


def test_a_name_that_nobody_had_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tasks", raising=False)
    with own_tasks():
        assert "tasks" in sys.modules
    assert "tasks" not in sys.modules


def test_a_folder_without_an_init_adds_its_tasks_and_a_package_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("folder", "package"):
        (tmp_path / name / "tasks").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / name)
    (tmp_path / "package" / "tasks" / "__init__.py").write_text(REFUSES)
    monkeypatch.delitem(sys.modules, "tasks", raising=False)
    packages._ours.cache_clear()
    with own_tasks():
        assert list(sys.modules["tasks"].__path__) == [str(ROOT / "tasks"), str(tmp_path / "folder" / "tasks")]
    packages._ours.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("theirs", ["tasks.py", "tasks/__init__.py"])
def test_installed_commands_and_load_work_beside_a_users_tasks_and_conf(
    tmp_path: Path, mre_root: Path, theirs: str
) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    for name in ("mkgc", "tasks", "conf"):  # as a wheel installs them
        shutil.copytree(ROOT / name, site / name)
    for file in (theirs, "conf/__init__.py"):
        (work / file).parent.mkdir(parents=True, exist_ok=True)
        (work / file).write_text(REFUSES)
    (work / "conf" / "train.yaml").write_text("task: theirs\n")
    quick = [f"data.root={mre_root}", *TINY, "task.epochs=1", "hydra.run.dir=run"]
    ask = "import mkgc; m = mkgc.load('run/best.ckpt'); r = {'text': 'Ada and Bob', 'head': 'Ada', 'tail': 'Bob'}"
    told = f"import sys; {ask}; print(mkgc.__file__, *m.predict([r])[0]['scores'], 'tasks' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    for words in (["-m", "mkgc.train", *quick], ["-m", "mkgc", "train", "--cfg", "job"], ["-c", told]):
        done = subprocess.run([sys.executable, *words], cwd=work, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.split() == [str(site / "mkgc" / "__init__.py"), "None", "/a/a/likes", "/a/a/knows", "False"]
