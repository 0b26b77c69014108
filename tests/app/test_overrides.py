"""What is typed behind a command means what it says, and what cannot be read says how to write it."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mkgc.app.overrides import quoted, settle
from mkgc.errors import ConfigError
from tests.conftest import said


@pytest.mark.parametrize(
    "text",
    [
        "/a=b",
        "/a,b",
        "/a (copy)",
        "/a b",
        "/Bücher/图",
        "[x]",
        "{x}",
        'a"b',
        "a'b",
        "a\\",
        'a\\"b',
        "a\\b",
        "12",
        "~/x",
    ],
)
def test_a_quoted_value_is_read_as_it_was(text: str) -> None:
    (word,) = shlex.split(quoted("data.root", text))
    assert OverridesParser.create().parse_override(word).value() == text


def test_a_quoted_value_may_look_like_an_interpolation() -> None:
    (word,) = shlex.split(quoted("root", "/a/${b}"))
    config = OmegaConf.create({"root": OverridesParser.create().parse_override(word).value()})
    assert config.root == "/a/${b}"


@pytest.mark.parametrize("verb", ["train", "check", "prepare", "convert", "evaluate", "predict", "report"])
@pytest.mark.parametrize("value", ["/a=b", "/Bücher", "/a (copy)"])
def test_every_command_says_how_a_path_is_quoted(run: Callable[..., Any], verb: str, value: str) -> None:
    code, out, err = run(verb, f"output={value}")
    assert (code, out) == (2, "")
    assert said(err) == (
        f"'output={value}' is not understood: a value with signs or letters beyond a-z is quoted: "
        f"""'output="{value}"'"""
    )


@pytest.mark.parametrize("word", ["data=null", "task=null", "data.root=a,b", "train", "~data.nothing", "task=mri"])
def test_what_hydra_cannot_compose_is_one_line(run: Callable[..., Any], word: str) -> None:
    code, out, err = run("check", word)
    assert (code, out) == (2, "")
    assert said(err)


def images(*overrides: str) -> dict[str, int]:
    config = OmegaConf.create({"data": {"_target_": "x", "images": {"image": 224, "crops": 128}}})
    merged = OmegaConf.merge(config, OmegaConf.from_dotlist(["data.images.image=224"]))
    settle(merged, list(overrides))
    return dict(merged.data.images)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data.images={}"], {}),
        (["data.images={image: 64}"], {"image": 64}),
        (["data.images={image: 64}", "+data.images.objects=32"], {"image": 64, "objects": 32}),
        (["data.images={image: 64, crops: 32}", "~data.images.crops"], {"image": 64}),
        (["data.images={crops: 1}", "data.images={image: 64}"], {"image": 64}),
        ([], {"image": 224, "crops": 128}),
    ],
)
def test_images_given_as_a_whole_are_all_there_are(overrides: list[str], expected: dict[str, int]) -> None:
    assert images(*overrides) == expected


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("+foo=1", "foo: no such key; here has data, task"),
        ("+task.epoch=3", "task.epoch: no such key; task has name"),
        ("+a.b.c=3", "a.b.c: no such key"),
    ],
)
def test_a_key_that_nothing_reads_is_not_added(word: str, line: str) -> None:
    config = OmegaConf.create({"data": {"_target_": "x"}, "task": {"name": "mre"}})
    key, value = word[1:].split("=")
    OmegaConf.update(config, key, int(value))
    with pytest.raises(ConfigError) as caught:
        settle(config, [word])
    assert str(caught.value) == line


def test_what_configures_something_judges_its_own_keys() -> None:
    settle(
        OmegaConf.create({"data": {"_target_": "x", "new": 1}}), ["+data.new=1", "+data.some.new=1", "+experiment=x"]
    )
