import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.dataset import read_dataset
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import learned
from mkgc.errors import ConfigError, DataError
from mkgc.relations.null import find_null
from mkgc.training.checkpoint import build_task
from tasks.mre.data import RelationProcessor
from tests.conftest import composed

KNOWN = list(composed("task=mre").task.data.null_relation)
"""What the configuration holds."""


def write(root: Path, *labels: str, dev: tuple[str, ...] = ()) -> Path:
    for split, relations in (("train", labels), ("dev", dev or labels), ("test", labels)):
        rows = [
            {"tokens": ["Ada", "saw", "Rome", split, str(i)], "head": [0, 1], "tail": [2, 3], "relation": relation}
            for i, relation in enumerate(relations)
        ]
        (root / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def read(root: Path, *overrides: str) -> Any:
    return read_dataset(composed("task=mre", "data=jsonl", f"data.root={root}", "backbone=text_only", *overrides))


@pytest.mark.parametrize(
    "name", ["None", "none", "no_relation", "No Relation", "no-relation", "NA", "N/A", "Other", "other", "无关系"]
)
def test_the_null_relation_has_many_names(name: str) -> None:
    assert find_null(["born_in", name, "lives_in"], KNOWN) == name


@pytest.mark.parametrize("name", ["another", "None of these", "/per/misc/nationality", "notion", "O"])
def test_a_name_that_only_looks_like_one_is_a_relation(name: str) -> None:
    assert find_null(["born_in", name], KNOWN) is None


def test_other_is_a_relation_of_its_own_where_another_name_occurs() -> None:
    assert find_null(["Other", "None", "born_in"], KNOWN) == "None"
    with pytest.raises(
        ConfigError, match=r"^'Other', '其他' may each say that there is no relation: give task\.data\.null"
    ):
        find_null(["Other", "born_in", "其他"], KNOWN)


def test_two_names_that_say_it_are_an_error_that_asks_for_the_key() -> None:
    with pytest.raises(ConfigError) as error:
        find_null(["NA", "born_in", "no_relation"], KNOWN)
    reason = "'NA', 'no_relation' may each say that there is no relation"
    assert str(error.value) == f"{reason}: give task.data.null_relation=NAME, or null if all count"


def test_the_key_names_a_label_exactly_or_is_an_error() -> None:
    assert find_null(["NA", "no_relation"], "no_relation") == "no_relation"
    with pytest.raises(
        ConfigError, match=r"null_relation=No_Relation: no relation of the data has that name; there are NA, no"
    ):
        find_null(["NA", "no_relation"], "No_Relation")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ((), "null relation: 'no_relation', which does not count in F1 (task.data.null_relation)"),
        (("task.data.null_relation=in",), "null relation: 'in', which does not count in F1 (task.data.null_relation)"),
        (
            ("task.data.null_relation=null",),
            "null relation: none found, so every relation counts in F1 (task.data.null_relation names one)",
        ),
    ],
)
def test_what_is_scored_is_said(tmp_path: Path, override: tuple[str, ...], said: str) -> None:
    dataset = read(write(tmp_path, "in", "no_relation"), *override)
    assert [note.text for note in dataset.notes] == [said]


@pytest.mark.parametrize("name", ["None", "no_relation", "NA", "Other"])
def test_predicting_nothing_else_scores_nothing_whatever_its_name(
    tmp_path: Path, tiny: Callable[..., Any], name: str
) -> None:
    write(tmp_path, "in", name, name)
    config = tiny("mre", tmp_path, "data=jsonl", "backbone=text_only")
    task = build_task(config, read_dataset(config).processor)
    metric, null = task.make_metric(), task.processor.labels.index(name)
    metric.update(torch.tensor([null] * 3), torch.tensor([1 - null, null, null]))
    assert (metric.compute()["f1"], metric.compute()["support"]) == (0.0, 1)


def processor(null_relation: str | None) -> RelationProcessor:
    return RelationProcessor(learned(["a b"], 20), ("NA", "in"), DataSettings(root=""), null_relation=null_relation)


@pytest.mark.parametrize("null", ["NA", None])
def test_a_checkpoint_keeps_it(null: str | None) -> None:
    assert RelationProcessor.from_state(processor(null).state()).null_relation == null


def test_a_split_with_nothing_to_find_is_a_warning(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "in", "NA", dev=("NA",)))
    assert [(note.severity, note.text) for note in dataset.notes[1:]] == [
        ("warning", "no example of dev has a relation: its F1 is 0, whatever is predicted")
    ]


def test_one_relation_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(write(tmp_path, "in", "in"))
    assert str(error.value) == f"{tmp_path}: train has one relation only, 'in': there is nothing to tell apart"
