"""What is typed behind a command means what it says, and what cannot be read says how to write it."""

import shlex
from collections.abc import Callable
from pathlib import Path
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
        ("+task.loss=3", "task.loss: no such key; task has name"),
        ("+task.names=3", "task.names: no such key; did you mean task.name?"),
        ("++task.names=3", "task.names: no such key; did you mean task.name?"),
        ("+a.b.name=3", "a.b.name: no such key; did you mean task.name?"),
    ],
)
def test_a_key_that_nothing_reads_is_not_added(word: str, line: str) -> None:
    config = OmegaConf.create({"data": {"_target_": "x"}, "task": {"name": "mre"}})
    key, value = word.lstrip("+").split("=")
    OmegaConf.update(config, key, int(value))
    with pytest.raises(ConfigError) as caught:
        settle(config, [word])
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["task.epoch=2"], "task.epoch: no such key; did you mean task.epochs?"),
        (["+task.epoch=2"], "task.epoch: no such key; did you mean task.epochs?"),
        (["++task.epoch=2"], "task.epoch: no such key; did you mean task.epochs?"),
        (["+task.epoch=null"], "task.epoch: no such key; did you mean task.epochs?"),
        (["task.epoch=2", "sede=1"], "task.epoch: no such key; did you mean task.epochs?"),
        (["epochs=2"], "epochs: no such key; did you mean task.epochs?"),
        (["+batch_size=2"], "batch_size: no such key; did you mean data.batch_size?"),
        (["expriment=x"], "expriment: no such key; did you mean experiment?"),
        (["+data.imges.image=32"], "data.imges: no such key; did you mean data.images?"),
        (["trainer.min_epochs=2"], "trainer.min_epochs is not set here yet: add it by +trainer.min_epochs=…"),
        (["+trainer.max_stepz=2"], "trainer.max_stepz: no such key; did you mean trainer.max_steps?"),
        (["+optim.optimizer.beta=1"], "optim.optimizer.beta: no such key; did you mean optim.optimizer.betas?"),
        (["+optim.optimizer.lr=1"], "optim.optimizer.lr=1: nothing reads it: give optim.lr"),
        (["trainer.max_epochs=2"], "trainer.max_epochs=2: nothing reads it: give task.epochs"),
        (["+trainer.callbacks=[]"], "trainer.callbacks=[]: nothing reads it"),
        (
            ["+trainer.fast_dev_run=true"],
            "trainer.fast_dev_run=True: keeps no checkpoint to be tested: give smoke=true",
        ),
        (["+trainer.limit_val_batches=0"], "trainer.limit_val_batches=0: dev must be scored"),
        (
            ["+size.text.config.hidden_sizes=3"],
            "backbone.text.config.hidden_sizes: no such key; did you mean backbone.text.config.hidden_size?",
        ),
        (["experiment=two_stages", "seed=0,1", "data.rot=x"], "data.rot: no such key; did you mean data.root?"),
        (["task=1.5"], "task=1.5: Config group override must be a string or a list. Got float"),
        (["seed=0,1", "=1.5"], "=1.5: Config group override must be a string or a list. Got float"),
        (["foo=1", "++backbone.inputs.x=1"], "foo: no such key"),
        (["~task=1.5"], "~task=1.5: Config group override deletion value must be a string"),
        (["task=link_prediction", "+task.model.stage1.epoch=3"], "task.model.stage1.epoch: no such key; did you mean"),
    ],
)
def test_a_key_that_nothing_reads_is_an_error_that_names_the_nearest(
    words: list[str], line: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    """With a plus or without, and before anything is read: there are no data at that place."""
    code, _, err = run("train", *words, "data.root=nowhere", "data.atlas_seed=null")
    assert code == 2
    assert said(err).startswith(line)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "word", ["+trainer.accumulate_grad_batches=2", "+optim.optimizer.eps=1e-6", "++task.epochs=3", "++seed=1"]
)
def test_a_key_that_is_read_can_be_added(word: str, run: Callable[..., Any]) -> None:
    code, _, err = run("train", word, "data.root=nowhere", "data.atlas_seed=null")
    assert (code, "nowhere" in said(err)) == (2, True)


def test_what_configures_something_judges_its_own_keys() -> None:
    settle(
        OmegaConf.create({"data": {"_target_": "x", "new": 1}}), ["+data.new=1", "+data.some.new=1", "+experiment=x"]
    )
