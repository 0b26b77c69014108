"""`--help`: what a command does, how it is called, and its own keys, out of its docstring and its YAML's comments."""

from __future__ import annotations

import ast
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from mkgc.app.explained import Choice, header, read_choices, read_keys
from mkgc.app.packages import CONF
from mkgc.terminal import say

VERBS = (
    "train",
    "evaluate",
    "predict",
    "explain",
    "export",
    "index",
    "search",
    "serve",
    "check",
    "prepare",
    "convert",
    "report",
)

COMPOSED = ("train", "check", "prepare", "convert")
"""Commands whose settings are composed of choices."""

CHOSEN = (
    Choice("data", "…", "the data: a published set, or the layout of your files; the task has one by default"),
    Choice("backbone", "…", "the network; the task has one by default"),
    Choice("size", "small", "of its encoders, with random or with pretrained weights"),
)
"""The choices that a task brings, and that have no entry of their own in the table of contents."""

FLAGS = {"--version": "which mkgc this is"}
COMPOSED_FLAGS = {
    "--cfg job": "print all settings as they are composed, and do nothing",
    "-m": "sweep: a run for each of several values, key=a,b",
}

LEFT = 30
"""Columns of a key and its value; what is longer has a line of its own."""


def show_help(verb: str) -> None:
    """Prints the page of a command."""
    say(purpose(verb))
    say("")
    for line in _usage(verb):
        say(f"  {line}")
    if verb == "train":
        _show("Choices", ((f"{one.group}={one.chosen}", _with_options(one)) for one in choices()))
    _show("Keys", _rows(CONF / f"{verb}.yaml"))
    if verb == "train":
        _show("Keys of the data", _rows(CONF / "data" / "folder.yaml", "data."))
        _show("Keys of the trainer, beside all others of Lightning's", _rows(CONF / "trainer" / "cpu.yaml", "trainer."))
        say("")
        say("task.*, optim.*, backbone.*, size.* and logger.* follow from the choices: see --cfg job, or docs/keys.md.")
    elif verb in COMPOSED:
        say("")
        say("The choices and keys of train say which data and how: see mkgc train --help.")
    _show("Flags", ((COMPOSED_FLAGS if verb in COMPOSED else {}) | FLAGS).items())


def show_verbs() -> None:
    """Prints what there is to do."""
    say("usage: mkgc COMMAND key=value …, as python -m mkgc.COMMAND key=value …")
    _show("Commands", ((verb, purpose(verb)) for verb in VERBS))
    _show("Flags", ({"--help": "this; behind a command: its keys"} | FLAGS).items())


def purpose(verb: str) -> str:
    """What a command does, in a sentence: what its module's docstring says behind how it is called."""
    said = _docstring(verb).splitlines()[0].rpartition("`: ")[2]
    return said[:1].upper() + said[1:]


def choices() -> list[Choice]:
    """The groups that settings are chosen of."""
    own = read_choices(CONF / "train.yaml")
    return [own[0], *CHOSEN, *own[1:]]


def options(group: str) -> list[str]:
    """What can be chosen of a group."""
    files = sorted((CONF / group).rglob("*.yaml"))
    names = (str(file.relative_to(CONF / group).with_suffix("")) for file in files)
    return [name for name in names if not name.startswith("base/")]


def _docstring(verb: str) -> str:
    source = (Path(__file__).parents[1] / f"{verb}.py").read_text("utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def _usage(verb: str) -> Sequence[str]:
    lines = [line for line in header(CONF / f"{verb}.yaml") if line.startswith("python -m")]
    return lines or [_docstring(verb).split("`")[1]]


def _with_options(choice: Choice) -> str:
    named = options(choice.group)
    return choice.text if all(name in choice.text for name in named) else f"{choice.text} ({', '.join(named)})"


def _rows(path: Path, prefix: str = "") -> list[tuple[str, str]]:
    return [(f"{prefix}{one.key}={one.value}", one.text) for one in read_keys(path)]


def _show(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Prints rows in two columns; a value that must be given is an ellipsis, one that holds others is left out."""
    say("")
    say(f"{title}:")
    width = max(min(shutil.get_terminal_size((100, 24)).columns, 120), 2 * LEFT)
    for key, text in rows:
        left = key.replace("=???", "=…").removesuffix("=")
        right = textwrap.wrap(text, width - LEFT - 4) or [""]
        if len(left) > LEFT:
            say(f"  {left}")
            left = ""
        for line in right:
            say(f"  {left:<{LEFT}}  {line}".rstrip())
            left = ""
