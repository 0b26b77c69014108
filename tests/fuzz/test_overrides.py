"""What may be typed behind every command: keys of its own and others, with values of all kinds."""

import random
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from mkgc.errors import ConfigError
from tests.conftest import TINY, composed
from tests.fuzz.limits import failures

VALUES = (
    *(
        "0",
        "-1",
        "1",
        "2",
        "1.5",
        "1e400",
        "-1e400",
        "nan",
        "10000000000000000000000",
        "true",
        "null",
        "''",
        "abc",
        "ünï",
    ),
    *("[]", "[1]", "[a,b]", "{}", "{a: 1}", "{_target_: os.system}", "{image: 0}", "{image: -1}", "{image: a}"),
    *(
        "${seed}",
        "${nothing}",
        "${oc.env:HOME}",
        "a,b",
        "a=b",
        "(",
        "[",
        '"',
        "\\",
        "x y",
        "/dev/null",
        "../x",
        "a" * 300,
    ),
    *(
        "???",
        "range(3)",
        "glob(*)",
        "choice(1)",
        "0x10",
        "1_0",
        "-0",
        "os.system",
        "mkgc.training.optim.Optim",
        "\u200b",
        "😀",
        "a\nb",
    ),
)
VERBS = {
    "train": ["trainer=cpu"],
    "check": ["output=out"],
    "prepare": ["subset_seeds=1", "data.shots=1"],
    "convert": ["input=none.bin", "output=out.ckpt", "tokenizer=none"],
    "evaluate": ["checkpoint=none.ckpt"],
    "predict": ["checkpoint=none.ckpt", "input=none.jsonl", "output=out.jsonl"],
    "report": ["runs=."],
}
TRAINED = ("train", "check", "prepare", "convert")


def keys(node: DictConfig, place: str = "") -> Iterator[str]:
    """All dotted keys of a configuration, those of its nodes included."""
    for key in node:
        path = f"{place}.{key}".lstrip(".")
        yield path
        inner = node._get_node(key)
        if isinstance(inner, DictConfig) and not inner._is_none() and not inner._is_missing():
            yield from keys(inner, path)


def words(verb: str, given: list[str], seed: int, count: int) -> Iterator[list[str]]:
    """What follows a verb: what it needs, and one to three words of any kind."""
    draw = random.Random(f"{verb} {seed}")
    # Without _convert_ values are OmegaConf's own lists, which work, but are not what the tests' type checks want.
    known = sorted(key for key in keys(composed(*given, name=verb)) if not key.endswith("_convert_"))
    for _ in range(count):
        drawn = []
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            key = (
                draw.choice(known)
                if draw.random() < 0.9
                else draw.choice(("foo", "task", "data", "size", "a.b", "", "=", "@"))
            )
            mark, extra = draw.choice(("", "", "", "", "+", "++", "~")), draw.choice(("", "", "", "", "", ".x", ".0"))
            drawn.append(
                f"{mark}{key}{extra}" + ("" if mark == "~" and draw.random() < 0.5 else f"={draw.choice(VALUES)}")
            )
        yield [*given, *drawn]


@pytest.fixture
def attempt(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command up to where training would begin; a bug is raised instead of being recorded."""

    def bug(error: BaseException, *_: object) -> str:
        raise AssertionError("".join(traceback.format_exception(error)[-3:]))

    def stop(*_: object, **__: object) -> None:
        raise ConfigError("training would begin")

    monkeypatch.setattr("mkgc.app.command.record_bug", bug)
    monkeypatch.setattr("mkgc.train.build_trainer", stop)
    monkeypatch.setattr("mkgc.data.atlas.build", stop)

    def command(given: list[str]) -> None:
        verb, *rest = given
        code, _, err = run(verb, *rest)
        assert code in (0, 1, 2), err
        assert code == 0 or err or verb == "check", "no word of what was wrong"

    return command


def tried(verb: str, attempt: Any, root: Path, seed: int, count: int) -> list[str]:
    given = [*VERBS[verb]]
    if verb in TRAINED:
        given += ["task=mre", f"data.root={root}", *TINY]
    return failures(([verb, *rest] for rest in words(verb, given, seed, count)), attempt)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("verb", VERBS)
def test_words_behind_a_command_are_taken_or_refused(verb: str, attempt: Any, mre_root: Path) -> None:
    assert tried(verb, attempt, mre_root, 0, 2) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("verb", VERBS)
def test_hundreds_of_words_behind_a_command_are_taken_or_refused(verb: str, attempt: Any, mre_root: Path) -> None:
    assert tried(verb, attempt, mre_root, 1, 40) == []
