"""Captions of images: which pairs a record is, and what is said where it is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from tasks.retrieval.example import parse_pairs
from tasks.retrieval.source import CaptionSource


def pairs(record: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(pair.text, pair.image, pair.id) for pair in parse_pairs(record, Path("there"), "x.jsonl:1")]


def test_each_caption_of_a_record_is_paired_with_each_of_its_images() -> None:
    assert pairs({"text": "一只狗", "image": "a.png"}) == [("一只狗", "a.png", None)]
    record = {"id": 7, "texts": ["a dog", "ein Hund", "a dog"], "image": ["a.png", "b.png"]}
    assert pairs(record) == [
        ("a dog", "a.png", "7/1"),
        ("a dog", "b.png", "7/2"),
        ("ein Hund", "a.png", "7/3"),
        ("ein Hund", "b.png", "7/4"),
    ]
    assert parse_pairs(record, Path("there"), "")[0].images == {"image": (Path("there/a.png"),)}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "a dog"}, "the key 'image' is missing"),
        ({"text": "a dog", "image": []}, "'image' is empty: a caption without an image is no pair"),
        ({"text": "a dog", "image": "https://x.org/a.png"}, "is an address"),
        ({"image": "a.png"}, "give one of 'text' and 'texts'"),
        ({"text": "a", "texts": ["b"], "image": "a.png"}, "give one of 'text' and 'texts'"),
        ({"text": " \u200b", "image": "a.png"}, "a caption must be text"),
        ({"texts": [], "image": "a.png"}, "one at least"),
        ({"texts": ["a", 1], "image": "a.png"}, "a caption must be text, not 1"),
        ({"text": "a", "image": "a.png", "label": "x"}, "no such key: 'label'"),
        ({"id": [1], "text": "a", "image": "a.png"}, "'id' must be text or a whole number"),
    ],
)
def test_what_is_no_pair_is_an_error_that_names_its_place(record: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        pairs(record)
    assert str(caught.value).startswith("x.jsonl:1")


def written(folder: Path, *records: dict[str, Any]) -> DataSettings:
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return DataSettings(str(folder), images={"image": 32})


def test_a_source_has_the_pairs_of_all_splits(tmp_path: Path) -> None:
    source = CaptionSource(written(tmp_path, {"texts": ["a", "b"], "image": "1.png"}))
    assert {split: len(part) for split, part in source.examples().items()} == {"train": 2, "dev": 2, "test": 2}
    assert (
        source.digest() == CaptionSource(written(tmp_path, {"id": 1, "texts": ["a", "b"], "image": "1.png"})).digest()
    )


def test_two_records_with_one_id_are_an_error(tmp_path: Path) -> None:
    settings = written(tmp_path, {"id": 1, "text": "a", "image": "1.png"}, {"id": "1", "text": "b", "image": "2.png"})
    with pytest.raises(DataError, match=r"train.jsonl:2: the id '1' is that of .*train.jsonl:1, too"):
        CaptionSource(settings)


def test_pairs_have_no_classes_to_take_shots_of(tmp_path: Path) -> None:
    written(tmp_path, {"text": "a", "image": "1.png"})
    with pytest.raises(ConfigError, match=r"data.shots=2: captions have no classes: give data.fraction"):
        CaptionSource(DataSettings(str(tmp_path), shots=2))
