"""The Atlas as maps with captions: what they say in either language is true of the map, and of no other one."""

import json
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mkgc.data.atlas.facts import countries
from mkgc.data.atlas.linked import linked_world
from tasks.retrieval import atlas
from tasks.retrieval.atlas import COUNTS, DIRECTIONS, MapPair, captions, near_pairs, split_pairs


@cache
def facts() -> Any:
    return countries()


@cache
def splits() -> dict[str, list[MapPair]]:
    return split_pairs(near_pairs(facts(), Random(0)))


def said(pair: str, language: str) -> list[str]:
    head, tail = (facts()[code] for code in pair.split())
    return captions(MapPair(head, tail), linked_world(facts()), language, Random(0))


@pytest.mark.parametrize(("pair", "direction"), [("FR DE", "西南"), ("NO IT", "北"), ("PT ES", "西"), ("JP KR", "东")])
def test_a_caption_says_where_the_red_country_lies(pair: str, direction: str) -> None:
    english = DIRECTIONS["en"][DIRECTIONS["zh"].index(direction)]
    assert f"{direction}" in said(pair, "zh")[0]
    assert f" {english} " in said(pair, "en")[0] or f" {english}," in said(pair, "en")[0]


@pytest.mark.parametrize(
    ("pair", "words"), [("FR DE", ("border", "neighbour")), ("FR AT", ("both",)), ("FR NO", ("no border", "not touch"))]
)
def test_a_caption_says_whether_the_two_are_neighbours(pair: str, words: tuple[str, ...]) -> None:
    assert any(word in said(pair, "en")[1] for word in words)


def test_a_caption_fits_every_map_with_its_country_in_red() -> None:
    assert said("FR DE", "zh")[2] == said("FR ES", "zh")[2] == "红色的国家是位于西欧的法国。"
    assert said("FR DE", "en")[2] == "The country in red is France, in Western Europe."


def test_no_pair_of_countries_is_in_two_splits_and_each_country_is_in_train() -> None:
    pairs = {split: {frozenset((p.head.code, p.tail.code)) for p in part} for split, part in splits().items()}
    assert {split: len(part) for split, part in pairs.items()} == COUNTS
    assert not pairs["train"] & (pairs["dev"] | pairs["test"])
    assert not pairs["dev"] & pairs["test"]
    shown = Counter(p.head.code for p in splits()["train"])
    assert {p.head.code for split in ("dev", "test") for p in splits()[split]} <= shown.keys()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two data sets of one seed, with few maps."""
    folders = [tmp_path_factory.mktemp("captions") / name for name in ("one", "other")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atlas, "COUNTS", {"train": 100, "dev": 5, "test": 5})
        for folder in folders:
            atlas.write(folder, facts(), Random(0))
    return folders


def test_the_files_are_records_of_images_with_captions_in_two_languages(written: list[Path]) -> None:
    rows = [json.loads(line) for line in (written[0] / "test.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 5
    for row in rows:
        assert row.keys() == {"id", "image", "texts"}
        assert {language: len(texts) for language, texts in row["texts"].items()} == {"en": 3, "zh": 3}
        assert (written[0] / row["image"]).is_file()


def test_one_seed_gives_the_same_files(written: list[Path]) -> None:
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in written
    )
    assert one == other
    assert len(one) == 3 + 110
