"""Every test, module and folder that the pages name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md"))]
TASKS = sorted(path.parent for path in ROOT.glob("tasks/*/task.py"))
FILE = re.compile(r"`((?:mkgc|tasks|tests|conf|benchmarks|docs|data)/[\w./]*\w(?:/|\.\w+)?)(?:::(\w+))?")
NAMED = re.compile(r"`(?:::)?(test_\w+)(?:\.py)?`")


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_by_its_path_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    found = [(name, function) for name, function in FILE.findall(text) if not re.search("[A-Z]{3,}\\b", name)]
    missing = [name for name, _ in found if not (ROOT / name).exists() and not name.startswith("data/atlas")]
    assert missing == []
    assert [f"{name}::{f}" for name, f in found if f and f not in functions(ROOT / name)] == []


@pytest.mark.parametrize("page", ["docs/proofs.md", "docs/reliability.md"])
def test_what_a_page_names_without_its_folder_is_a_test(page: str) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    names = {path.stem for path in files} | {name for path in files for name in functions(path)}
    named = set(NAMED.findall((ROOT / page).read_text()))
    assert named
    assert named - names == set()


@pytest.mark.parametrize("folder", TASKS, ids=lambda folder: folder.name)
def test_a_task_has_a_page_that_names_files_of_its_folder(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    named = set(re.findall(r"`(\w+\.py)`", text))
    assert "task.py" in named
    assert {name for name in named if not (folder / name).exists()} == set()
    assert [link for link in re.findall(r"\]\(([^)#:]+)", text) if not (folder / link).exists()] == []
