"""Each command says what its keys are, and a page explains all of them: both out of what stands beside the keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc import __main__
from mkgc.app import keys
from mkgc.app.explained import Explained, header, read_choices, read_keys
from mkgc.app.help import VERBS, options
from mkgc.app.packages import CONF
from mkgc.tools.keys_page import page, rows

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"


def test_the_page_of_keys_is_what_make_keys_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make keys`"


def test_every_key_is_explained_once() -> None:
    found = rows()
    assert [row.key for row in found if not row.text] == []
    explained = {row.key for row in found} | {row.key.rpartition(".")[0] for row in found}
    assert {key for verb in VERBS for key in getattr(keys, verb.upper())} <= explained


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_a_line_for_each_key_of_its_own(run: Callable[..., Any], verb: str, tmp_path: Path) -> None:
    code, out, err = run(verb, "--help")
    assert (code, err) == (0, "")
    assert "Powered by Hydra" not in out
    lines = {line.split("=")[0].strip() for line in out.splitlines() if line.startswith("  ")}
    assert {one.key for one in read_keys(CONF / f"{verb}.yaml")} <= lines
    assert f"python -m mkgc.{verb} " in out
    assert max(map(len, out.splitlines())) <= 120
    assert [*tmp_path.iterdir()] == []


def test_help_of_training_names_what_can_be_chosen(run: Callable[..., Any]) -> None:
    out = run("train", "task=nothing", "-h")[1]
    lines = {line[:32].strip() for line in out.splitlines()}
    assert {"data.bad_images=mask", "trainer.precision=32-true"} <= lines
    shown = " ".join(out.split())
    for group in ("task", "data", "backbone", "system", "logger"):
        assert all(name in shown for name in options(group))


def test_the_commands_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["mkgc", "--help"])
    __main__.main()
    out = capsys.readouterr().out
    assert [verb for verb in VERBS if f"\n  {verb} " not in out] == []
    assert "The scores of a trained model on a split, or of judged lists." in " ".join(out.split())


def test_comments_belong_to_the_keys_that_they_stand_behind_or_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "# @package _global_\n"
        "# About the file.\n"
        "defaults:\n"
        "  - task: one  # what is done\n"
        "  - _self_\n"
        "  - override hydra/x: y\n"
        "\n"
        "_target_: a.B\n"
        "plain: 1  # of one line\n"
        'text: "a # b"   # of two\n'
        "                # lines\n"
        "bare: null\n"
        "list: [1,\n"
        "  2]  # wrapped\n"
        "# About the next.\n"
        "# In two lines.\n"
        "over: true\n"
        "part:    # of some keys\n"
        "  # The first.\n"
        "  inner: {a: 1}\n"
        "hydra: {}\n"
    )
    assert header(tmp_path / "a.yaml") == ["About the file."]
    assert [tuple(one) for one in read_choices(tmp_path / "a.yaml")] == [("task", "one", "what is done")]
    assert read_keys(tmp_path / "a.yaml") == [
        Explained("plain", "1", "of one line", "a.B"),
        Explained("text", '"a # b"', "of two lines", "a.B"),
        Explained("bare", "null", "", "a.B"),
        Explained("list", "[1, 2]", "wrapped", "a.B"),
        Explained("over", "true", "About the next. In two lines.", "a.B"),
        Explained("part", "", "of some keys", "a.B"),
        Explained("part.inner", "{a: 1}", "The first.", ""),
    ]
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_keys(tmp_path / "empty.yaml") == read_choices(tmp_path / "empty.yaml") == []
