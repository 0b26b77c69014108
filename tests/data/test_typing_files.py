"""Published typing data: CFET, FIGER's gold sentences, and the format of KLMo's own."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.formats.converted import Placed
from mkgc.errors import DataError
from tasks.entity_typing import cfet, figer, klmo

SPLITS = ("train", "dev", "test")
CFET_LINE: dict[str, Any] = {
    "label_types": ["地点", "城市"],
    "general_type": ["地点"],
    "mention": "罗马",
    "span": [2, 4],
    "sentence": "她在罗马。",
    "mention_id": "7",
}
GOLD = (
    "Ada\tB-/person,/person/author\nLovelace\tI-/person,/person/author\n”\tO\t\nleft\tO\nRome\tB-/location\n"
    "\t\nShe\tO\n"
)
MAP = "/people/person\t/person\n/book/author\t/person/author\n/location/location\t/location\n/x\t/person\n"
KLMO_LINE = {
    "sent": "Ada left Rome .",
    "start": 2,
    "end": 3,
    "new_labels": ["place", "city"],
    "ents": [["7", "罗马", 2, 3]],
}


def lines(path: Path, *records: Any) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def everything(read: Callable[[str], Any]) -> list[dict[str, Any]]:
    return [record for split in SPLITS for record, _ in read(split)]


def read_gold(root: Path) -> list[dict[str, Any]]:
    return everything(lambda split: figer.records(root, split))


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    (tmp_path / figer.FILE).write_text(GOLD, encoding="utf-8")
    (tmp_path / figer.MAP).write_text(MAP)
    return tmp_path


def test_cfets_mentions_are_spans_of_characters_with_coarse_or_fine_types(tmp_path: Path) -> None:
    lines(tmp_path / cfet.FILE, CFET_LINE)
    for key, types in ((cfet.COARSE, ["地点"]), (cfet.FINE, ["地点", "城市"])):
        (record,) = everything(lambda split, key=key: cfet.records(key, tmp_path, split))
        assert record == {"id": "7", "text": "她在罗马。", "mention": {"char": [2, 4]}, "types": types}
        assert cfet.types(key, tmp_path) == tuple(types)


def test_mentions_of_one_sentence_are_in_one_split(tmp_path: Path) -> None:
    many = [CFET_LINE | {"sentence": f"她在罗马{i // 3}。", "mention_id": str(i)} for i in range(300)]
    lines(tmp_path / cfet.FILE, *many)
    splits = [{record["text"] for record, _ in cfet.records(cfet.COARSE, tmp_path, split)} for split in SPLITS]
    assert [len(texts) for texts in splits] == [80, 10, 10]
    assert not splits[0] & splits[1] | splits[0] & splits[2] | splits[1] & splits[2]
    lines(tmp_path / cfet.FILE, *reversed(many))
    assert splits == [{record["text"] for record, _ in cfet.records(cfet.COARSE, tmp_path, split)} for split in SPLITS]


def test_a_line_of_cfet_without_a_key_is_named_with_its_file_and_number(tmp_path: Path) -> None:
    lines(tmp_path / cfet.FILE, CFET_LINE, {key: CFET_LINE[key] for key in CFET_LINE if key != "span"})
    with pytest.raises(DataError, match=r"crowdsourced\.json:2: the key 'span' is missing"):
        cfet.records(cfet.COARSE, tmp_path, "train")


def test_figers_mentions_begin_with_b_and_have_the_types_of_their_first_word(gold: Path) -> None:
    tokens = ["Ada", "Lovelace", "”", "left", "Rome"]
    assert sorted(read_gold(gold), key=str) == [
        {"tokens": tokens, "mention": [0, 2], "types": ["/person", "/person/author"]},
        {"tokens": tokens, "mention": [4, 5], "types": ["/location"]},
    ]
    assert figer.types(gold) == ("/person", "/person/author", "/location")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Ada\n", "a line must be a word, a tab and a tag"),
        ("Ada\tB-/person\tx\n", "a line must be a word, a tab and a tag"),
        ("Ada\tPER\n", "the tag 'PER' is none of O, B-/type,/type and I-/type,/type"),
        ("Ada\tB-/persona\n", "the type '/persona' is not among the 3 of types.map; do you mean '/person'?"),
    ],
)
def test_a_line_of_figer_that_cannot_be_used_is_named(gold: Path, line: str, said: str) -> None:
    (gold / figer.FILE).write_text(GOLD + line, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_gold(gold)
    assert str(error.value).startswith(f"{gold / figer.FILE}:8: ")
    assert said.partition(";")[0] in str(error.value)


def test_klmos_typing_data_are_words_with_the_last_label_and_linked_entities(tmp_path: Path) -> None:
    for name in ("new.15k.conll.json", "dev.json", "test.json"):
        lines(tmp_path / name, KLMO_LINE)
    linked = [{"id": "7", "start": 2, "end": 3}]
    expected = {"tokens": ["Ada", "left", "Rome", "."], "mention": [2, 3], "types": ["city"], "entities": linked}
    assert everything(lambda split: klmo.records(tmp_path, split)) == [expected] * 3
    assert klmo.types(tmp_path) == ("city",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"new_labels": []}, "'new_labels' a list of labels"),
        ({"sent": ["Ada"]}, "'sent' must be words between spaces"),
        ({"ents": [["7", 2, 3]]}, "each of 'ents' must be [id, name, start, end]"),
    ],
)
def test_a_line_of_klmos_format_that_cannot_be_used_is_named(tmp_path: Path, changed: Any, said: str) -> None:
    lines(tmp_path / "train.json", KLMO_LINE, KLMO_LINE | changed)
    with pytest.raises(DataError) as error:
        [*klmo.records(tmp_path, "train")]
    assert str(error.value).startswith(f"{tmp_path / 'train.json'}:2: ")
    assert said in str(error.value)


def test_cfet_has_the_mentions_and_types_that_its_authors_counted(real: Callable[[str], Path]) -> None:
    root = real("entity_typing") / "cfet"
    splits: list[list[Placed]] = [cfet.records(cfet.COARSE, root, split) for split in SPLITS]
    assert [len(part) for part in splits] == [3830, 484, 484]
    read = [record for part in splits for record, _ in part]
    assert (len(cfet.types(cfet.COARSE, root)), len(cfet.types(cfet.FINE, root))) == (10, 1299)
    counts = Counter(name for record in read for name in record["types"])
    assert (counts["组织"], counts["人"], counts["事件"]) == (2000, 1794, 80)
    fine = Counter(
        name for split in SPLITS for record, _ in cfet.records(cfet.FINE, root, split) for name in record["types"]
    )
    assert (sum(fine.values()), sum(count == 1 for count in fine.values())) == (16932, 576)


def test_figers_gold_has_the_mentions_and_types_that_its_authors_counted(real: Callable[[str], Path]) -> None:
    root = real("entity_typing") / "figer_gold"
    read = read_gold(root)
    assert (len(read), len(figer.types(root))) == (563, 113)
    assert len({name for record in read for name in record["types"]}) == 43
    assert len({tuple(record["tokens"]) for record in read}) == 278
