"""The library knows no task: the README's own is added from a folder, and used by every command."""

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import extend_path
from typing import Any

import pytest

import mkgc
import tasks
from mkgc.errors import CheckpointError
from tests.conftest import COLOURS, TINY, paint, said

ROOT = Path(__file__).parents[1]
FILES = re.compile(r"```(?:python|yaml)\n# ((?:tasks|conf)/\S+)\n(.*?)```", re.DOTALL)
TASKS = re.compile(r"link_prediction|\bmre\b|\bmner\b|entity_typing|relation_classification|knowledge_pretraining")


def test_no_file_of_the_library_names_a_task() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "mkgc").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if TASKS.search(line)
    ]
    assert found == []


def test_the_library_imports_no_task() -> None:
    imports = re.compile(r"^\s*(?:from|import) tasks\b", re.MULTILINE)
    assert [path for path in (ROOT / "mkgc").rglob("*.py") if imports.search(path.read_text(encoding="utf-8"))] == []


@pytest.fixture
def posts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the README's task and with posts whose mood the colour of their image tells."""
    for name, text in readmes_files():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    write_posts(tmp_path / "posts", "look at this {}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tasks, "__path__", extend_path([*tasks.__path__], "tasks"))
    yield tmp_path
    forget()


def write_posts(folder: Path, text: str) -> None:
    """Posts whose mood the colour of their image tells, with their number in the text."""
    draw = random.Random(0)
    for split, count in (("train", 24), ("dev", 8), ("test", 8)):
        rows = []
        for i in range(count):
            colour = draw.choice(list(COLOURS))
            paint(folder / f"{split}{i}.png", colour)
            rows.append({"text": text.format(i), "image": f"{split}{i}.png", "mood": f"like {colour}"})
        lines(folder / f"{split}.jsonl", rows)


def readmes_files() -> list[tuple[str, str]]:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Adding a task")[1].split("\n## ")[0]
    return FILES.findall(section)


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith(("tasks.mood", "moods"))]:
        del sys.modules[name]


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def commands() -> list[list[str]]:
    """The README's, as words behind `python -m mkgc.`."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Adding a task")[1]
    shell = section.split("```sh\n")[1].split("```")[0]
    return [line.removeprefix("python -m mkgc.").split() for line in shell.splitlines()]


def test_the_readmes_task_is_checked_cut_trained_evaluated_and_asked(posts: Path, run: Callable[..., Any]) -> None:
    lines(posts / "ask.jsonl", [{"text": "look at this", "image": "posts/test0.png"}, {"text": "no image"}])
    here = [f"hydra.searchpath=[file://{posts}/conf]", *TINY, "task.epochs=1"]
    printed = {}
    for verb, *words in commands():
        code, out, err = run(verb, *words, *(here if words[0].startswith("task=") else []))
        assert code == 0, (verb, err)
        printed[verb] = out
    assert "training may go on" in printed["check"]
    assert sorted(path.name for path in (posts / "posts").glob("*.rows")) == [f"4shot-{s}-train.rows" for s in (42, 43)]
    figures = json.loads((posts / "runs/mood/metrics.json").read_text())
    assert f"test/f1               {figures['test']['f1']:.4f}" in printed["evaluate"]
    answers = [json.loads(line) for line in (posts / "answers.jsonl").read_text().splitlines()]
    assert [set(answer) for answer in answers] == [{"id", "query", "mood", "score"}] * 2
    again = mkgc.load(posts / "runs/mood/best.ckpt").predict([{"text": "no image"}])
    assert again[0]["mood"] == answers[1]["mood"]
    assert again[0]["score"] == pytest.approx(answers[1]["score"], abs=1e-5)

    tasks.__path__ = tasks.__path__[:1]  # on a machine that has no such task
    forget()
    code, _, err = run("predict", "checkpoint=runs/mood/best.ckpt", "input=ask.jsonl", "output=out.jsonl")
    assert code == 2
    assert "tasks.mood.task" in said(err)
    assert "none of mkgc's own parts" in said(err)


def test_a_task_without_an_atlas_says_so(posts: Path, run: Callable[..., Any]) -> None:
    where = f"hydra.searchpath=[file://{posts}/conf]"
    code, _, err = run("check", "task=mood", "data=atlas", where)
    assert (code, "this task has no Atlas" in said(err)) == (2, True)


@pytest.mark.slow
def test_a_task_in_a_package_of_ones_own_is_trusted_by_name(posts: Path, run: Callable[..., Any]) -> None:
    for name, text in readmes_files():
        (posts / name).unlink()
        path = posts / name.replace("tasks/mood", "moods")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("tasks.mood.", "moods."), encoding="utf-8")
    where = f"hydra.searchpath=[file://{posts}/conf]"
    words = ["task=mood", "data.root=posts", where, *TINY, "task.epochs=1", "hydra.run.dir=one"]
    assert run("train", *words)[0] == 0
    assert run("train", *words, "hydra.run.dir=two", "weights=one/best.ckpt")[0] == 0, "the run's own settings name it"
    lines(posts / "ask.jsonl", [{"text": "no image"}])
    absent = "Python finds no such package; is the folder it lies in on PYTHONPATH?"
    asked = ["checkpoint=one/best.ckpt", "input=ask.jsonl", "output=answers.jsonl"]
    for verb, given in (("evaluate", asked[:1]), ("predict", asked)):
        code, _, err = run(verb, *given)
        assert (code, "if moods is a package of yours, trust it: trusted=[moods]" in said(err)) == (2, True), err
        code, _, err = run(verb, *given, "trusted=[moodz]")
        assert (code, said(err)) == (2, f"trusted=moodz: {absent}")
        assert run(verb, *given, "trusted=[moods]")[0] == 0
    (answer,) = mkgc.load(posts / "one/best.ckpt", trusted=["moods"]).predict([{"text": "no image"}])
    assert answer["mood"] == json.loads((posts / "answers.jsonl").read_text())["mood"]
    with pytest.raises(CheckpointError, match=r"trusted=\[moods\]"):
        mkgc.load(posts / "one/best.ckpt", trusted=["json"])
