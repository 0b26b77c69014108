"""Keys of earlier versions are named with what they are called now."""

from collections.abc import Callable
from typing import Any

import pytest

from mkgc.app.renamed import FLAGS, KEYS, check_renamed
from mkgc.errors import ConfigError
from tests.conftest import composed, said


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("data.pictures={image: 64}", "data.pictures is called data.images now"),
        ("data.pictures.crops=128", "data.pictures.crops is called data.images.crops now"),
        ("~data.pictures", "data.pictures is called data.images now"),
        ("+size.trained=2", "size.trained is called size.trainable_layers now"),
        ("--novel-only", "--novel-only is called --exclude-known now"),
        ("task.metric=f1", "task.metric is no key any more: a task says itself what is monitored (Task.monitor)"),
        ("backbone=small", "backbone=small is called backbone=e5_dino now"),
        ("backbone=mkgformer,mini", "backbone=mini is called backbone=minilm_dino now"),
    ],
)
def test_an_old_key_names_the_new_one(run: Callable[..., Any], typed: Any, line: Any) -> None:
    code, _, err = run("train", "task=mre", typed)
    assert (code, said(err)) == (2, line)


def test_keys_that_only_begin_alike_are_left_alone() -> None:
    check_renamed(["data.mostly=1", "trainer=cpu", "backbone.spreading=2"])


def test_no_old_key_exists_any_more() -> None:
    for task in ("mre", "mner", "link_prediction"):
        config = composed(f"task={task}")
        for old, new in KEYS.items():
            with pytest.raises(ConfigError, match=new.replace(".", r"\.")):
                check_renamed([f"{old}=1"])
            place, _, name = old.rpartition(".")
            node = config
            for part in filter(None, place.split(".")):
                node = node[part]
            assert name not in node, old
    assert set(FLAGS.values()) == {"--exclude-known"}
