import json
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.dataset import read_dataset
from mkgc.errors import DataError
from tests.conftest import composed

IOB1 = ["I-PER", "I-PER", "O", "I-LOC", "B-LOC"]
IOB2 = ("B-PER", "I-PER", "O", "B-LOC", "B-LOC")


def write(root: Path, tags: list[str], **others: list[str]) -> Path:
    for split in ("train", "dev", "test"):
        row = {"tokens": [*"abcd", split], "tags": others.get(split, tags)}
        (root / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    return root


def read(root: Path) -> Any:
    return read_dataset(composed("task=mner", "data=jsonl", f"data.root={root}", "backbone=text_only"))


def _names(dataset: Any, tags: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(dataset.processor.tags[tag] for tag in tags)


def test_training_and_gold_tags_are_the_same_mentions_whatever_the_scheme(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, IOB1))
    for split in ("train", "dev", "test"):
        (item,) = dataset.features[split]
        assert _names(dataset, item.gold) == _names(dataset, item.tags) == IOB2
    assert [note.text for note in dataset.notes] == [
        "tags: IOB1, 6 of 15 rewritten as IOB2, for training and scoring alike"
    ]


def test_the_layout_of_twitter_is_normalised_too(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        rows = "".join(
            f"{word}\t{tag}\n" for word, tag in zip("abcde", ["B-PER", "E-PER", "O", "S-LOC", "S-LOC"], strict=True)
        )
        (tmp_path / f"{split}.txt").write_text(f"IMGID:1\n{rows}\n")
    config = composed("task=mner", "data=folder", f"data.root={tmp_path}", "backbone=text_only")
    dataset = read_dataset(config)
    assert _names(dataset, dataset.features["test"][0].gold) == IOB2


def test_no_entity_in_train_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(write(tmp_path, ["O"] * 5))
    assert str(error.value) == f"{tmp_path}: every tag of train is O: there is no entity type to learn"


def test_a_split_without_entities_is_a_warning(tmp_path: Path) -> None:
    notes = read(write(tmp_path, list(IOB2), test=["O"] * 5)).notes
    assert notes[-1].text == "no example of test has an entity: its F1 is 0, whatever is predicted"


def test_types_that_differ_in_case_only_are_a_warning(tmp_path: Path) -> None:
    notes = read(write(tmp_path, ["B-PER", "B-per", "O", "O", "O"])).notes
    assert notes[-1].text.startswith("1 of the entity types differs from another one in case, spaces, quotation marks")
