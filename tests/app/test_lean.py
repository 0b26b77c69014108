"""A command imports what it needs, and neither what others need nor what libraries take along."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from mkgc.app import lean

HEAVY = (
    "torch",
    "transformers",
    "timm",
    "torchvision",
    "pytorch_lightning",
    "torchmetrics",
    "wandb",
    "scipy",
    "pandas",
)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "--help"], 0),
        (["train", "task=mre", "task.data.sede=1"], 2),
        (["train", "backbone.trained=1"], 2),
        (["report", "runs=nowhere"], 2),
    ],
    ids=["help", "a key that there is not", "a renamed key", "report"],
)
def test_what_computes_nothing_imports_no_library_that_computes(words: list[str], code: int, tmp_path: Path) -> None:
    verb, *rest = words
    program = f"""
import sys
from mkgc.{verb} import main
sys.argv = [{verb!r}, *{rest!r}]
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=open("imported", "w"))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "imported").read_text() == "[]\n"


GREEDY = """
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
try:
    known = version("luxury")
except PackageNotFoundError:
    known = None
there = find_spec("luxury") is not None
try:
    import luxury
    imported = True
except ImportError:
    imported = False
"""


@pytest.fixture
def greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that imports another wherever it is installed, as it is here."""
    (tmp_path / "greedy.py").write_text(GREEDY)
    (tmp_path / "luxury.py").write_text("")
    (tmp_path / "luxury-1.0.dist-info").mkdir()
    (tmp_path / "luxury-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: luxury\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in ("greedy", "luxury"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "greedy"


def test_a_package_does_not_see_what_it_need_not_import(greedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "NEEDLESS", {greedy: ("luxury",)})
    lean.import_lean()
    module = import_module(greedy)
    assert (module.known, module.there, module.imported) == (None, False, False)
    assert find_spec("luxury") is not None
    assert import_module("luxury").__name__ == "luxury"


def test_without_it_the_package_sees_everything(greedy: str) -> None:
    module = import_module(greedy)
    assert (module.known, module.there, module.imported) == ("1.0", True, True)
