import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.examples import Span
from mkgc.data.formats import crops
from mkgc.errors import DataError
from mkgc.relations.example import RelationExample
from tasks.mre import mnre

LINE: dict[str, Any] = {
    "token": ["Ada", "Lovelace", "left", "Rome", "."],
    "h": {"name": "Ada Lovelace", "pos": [0, 2]},
    "t": {"name": "Rome", "pos": [3, 4]},
    "img_id": "7.jpg",
    "relation": "/per/loc/place_of_birth",
}
RELATIONS = {"None": 0, "/per/loc/place_of_birth": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set of one line a split."""
    (tmp_path / "txt").mkdir()
    for name in ("train", "val", "test"):
        (tmp_path / f"txt/ours_{name}.txt").write_text(f"{LINE}\n")
    (tmp_path / "ours_rel2id.json").write_text(json.dumps(RELATIONS))
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_line_is_a_sentence_with_two_spans_a_relation_and_its_image(root: Path) -> None:
    image = touch(root / "img_org/train/7.jpg")
    tokens = ("Ada", "Lovelace", "left", "Rome", ".")
    expected = RelationExample("0", tokens, Span(0, 2), Span(3, 4), LINE["relation"], {"image": (image,)})
    assert mnre.read(root, "train") == [expected]


def test_a_name_that_differs_from_the_tokens_is_no_error(root: Path) -> None:
    (root / "txt/ours_val.txt").write_text(str({**LINE, "h": {"name": "ada lovelace!", "pos": [0, 2]}}))
    assert mnre.read(root, "dev")[0].head == Span(0, 2)


def shifted(start: int, end: int) -> str:
    """A line whose names stand at [1, 3) and [4, 6), with positions that are off by so many words."""
    head = {"name": "Ada Lovelace", "pos": [1 + start, 3 + end]}
    tail = {"name": "New York", "pos": [4 + start, 6 + end]}
    tokens = ["Did", "Ada", "Lovelace", "see", "New", "York", "today", "?"]
    return f"{ ({**LINE, 'token': tokens, 'h': head, 't': tail}) }\n"


@pytest.mark.parametrize(
    ("by", "there", "hint"),
    [
        ((0, 0), None, ""),
        ((1, 1), "[2, 4), 'Lovelace see'", "; [start - 1, end - 1) fits them all"),
        ((-1, -1), "[0, 2), 'Did Ada'", "; [start + 1, end + 1) fits them all"),
        ((0, -1), "[1, 2), 'Ada'", "; [start, end + 1) fits them all"),
        ((1, 0), "[2, 3), 'Lovelace'", "; [start - 1, end) fits them all"),
        ((0, 1), "[1, 4), 'Ada Lovelace see'", ""),
    ],
)
def test_a_file_whose_positions_contradict_its_names_is_named_with_how_many_do(
    root: Path, by: tuple[int, int], there: str | None, hint: str
) -> None:
    path = root / "txt/ours_test.txt"
    path.write_text(shifted(*by) * 3)
    if there is None:
        assert len(mnre.read(root, "test")) == 3
        return
    with pytest.raises(DataError) as error:
        mnre.read(root, "test")
    said = f"the name 'Ada Lovelace' is not what stands at {there}"
    remedy = "mend the positions, or leave the names out"
    assert str(error.value) == f"{path}:1: {said}; likewise in 3 of 3 lines of the file{hint}: {remedy}"


def test_one_line_that_contradicts_its_name_is_named(root: Path) -> None:
    path = root / "txt/ours_train.txt"
    path.write_text(f"{LINE}\n" * 4 + str({**LINE, "t": {"name": "Paris", "pos": [3, 4]}}))
    with pytest.raises(
        DataError, match=r"train\.txt:5: the name 'Paris' .* 'Rome'; likewise in 1 of 5 lines of the file: "
    ):
        mnre.read(root, "train")


def test_a_record_may_leave_the_names_out(root: Path) -> None:
    bare = {**LINE, "h": {"pos": [0, 2]}, "t": {"pos": [3, 4], "name": ""}}
    (root / "txt/ours_val.txt").write_text(str(bare))
    assert mnre.read(root, "dev")[0].tail == Span(3, 4)


@pytest.mark.parametrize(("name", "token"), [("ＮＹＣ", "NYC"), ("São", "Sa\u0303o"), ("♥", "♥"), ("U.S.", "u.s")])
def test_the_same_name_in_other_letters_is_the_same(root: Path, name: str, token: str) -> None:
    record = {**LINE, "token": [token, "b", "c"], "h": {"name": name, "pos": [0, 1]}, "t": {"name": "C", "pos": [2, 3]}}
    (root / "txt/ours_val.txt").write_text(str(record), encoding="utf-8")
    assert len(mnre.read(root, "dev")) == 1


def test_dev_is_called_val_or_dev(root: Path) -> None:
    (root / "txt/ours_val.txt").rename(root / "txt/ours_dev.txt")
    assert len(mnre.read(root, "dev")) == 1


@pytest.mark.parametrize("place", ["img_org/val/7.jpg", "img_org/7.jpg"])
def test_images_lie_in_the_folder_of_the_split_or_in_one_for_all(root: Path, place: str) -> None:
    image = touch(root / place)
    assert mnre.read(root, "dev")[0].images["image"] == (image,)


def test_a_missing_image_is_still_named_so_that_it_can_be_reported(root: Path) -> None:
    assert mnre.read(root, "dev")[0].images["image"] == (root / "img_org/7.jpg",)


@pytest.mark.parametrize("key", [0, "7.jpg", "7"])
def test_crops_are_listed_by_row_or_by_image(root: Path, key: int | str) -> None:
    torch.save({key: ["b.png", "a.png"], "other.jpg": ["c.png"]}, root / "txt/mre_train_dict.pth")
    first = touch(root / "img_vg/train/crops/b.png")
    second = touch(root / "img_vg/crops/a.png")
    assert mnre.read(root, "train", ("crops",))[0].images == {"crops": (first, second)}


def test_the_row_of_a_crop_list_counts_examples_not_blank_lines(root: Path) -> None:
    (root / "txt/ours_train.txt").write_text(f"{LINE}\n\n{LINE}\n")
    torch.save({0: ["a.png"], 1: ["b.png"]}, root / "txt/mre_train_dict.pth")
    names = [[path.name for path in example.images["crops"]] for example in mnre.read(root, "train", ("crops",))]
    assert names == [["a.png"], ["b.png"]]


def test_objects_are_names_or_pairs_with_a_score_below_any_of_the_folders_in_use(root: Path) -> None:
    found = [
        touch(root / "img_detect/train/crops/a.png"),
        touch(root / "img_detect/crops/b.png"),
        touch(root / "x/c.png"),
    ]
    torch.save({"7": [[0.9, "a.png"], (0.8, "b.png"), "x/c.png"]}, root / "img_detect/train/train_img2crop.pth")
    assert mnre.read(root, "train", ("objects",))[0].images == {"objects": tuple(found)}


def test_crops_that_are_asked_for_but_not_listed_are_an_error(root: Path) -> None:
    listed = root / "txt/mre_val_dict.pth"
    with pytest.raises(DataError) as error:
        mnre.read(root, "dev", ("image", "crops"))
    assert str(error.value) == f"{listed}: no such file, nor mre_dev_dict.pth, {crops.needed_by('crops')}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{'token': ['a'", "not a Python dictionary: {'token': ['a'"),
        ("['a', 'b']", "not a Python dictionary: ['a', 'b']"),
        ("__import__('os').getcwd()", "not a Python dictionary: __import__('os').getcwd()"),
        ({"img_id": None}, "'img_id' must be the name of an image, not None"),
        ({"token": []}, "'token' must be a list of words, none of them empty, not []"),
        ({"h": {"name": "Ada"}}, "the key 'pos' is missing in 'h'"),
        ({"h": "Ada"}, "'h' must be a mapping of keys to values, not 'Ada'"),
        ({"t": {"pos": [4, 6]}}, "'t' [4, 6) lies outside the sentence of 5 tokens"),
        ({"t": {"pos": [-1, 2]}}, "'t' [-1, 2) lies outside the sentence of 5 tokens"),
        ({"h": {"pos": [2, 2]}}, "'h' is empty: its start 2 is not before its end 2"),
        ({"h": {"pos": [0.0, 2]}}, "'h' must be two token positions [start, end), not [0.0, 2]"),
        ({"relation": "/per/per/twin"}, "the relation '/per/per/twin' is not among the 2 of ours_rel2id.json"),
        ({"relation": ["None"]}, "the relation '['None']' is not among the 2 of ours_rel2id.json"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_reason(root: Path, line: Any, reason: str) -> None:
    path = root / "txt/ours_train.txt"
    path.write_text(f"{LINE}\n{line if isinstance(line, str) else {**LINE, **line}}\n")
    with pytest.raises(DataError) as error:
        mnre.read(root, "train")
    assert str(error.value) == f"{path}:2: {reason}"


@pytest.mark.parametrize("key", LINE)
def test_a_missing_key_is_named(root: Path, key: str) -> None:
    path = root / "txt/ours_train.txt"
    path.write_text(str({k: v for k, v in LINE.items() if k != key}))
    with pytest.raises(DataError) as error:
        mnre.read(root, "train")
    assert str(error.value) == f"{path}:1: the key '{key}' is missing"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_an_error(root: Path, content: str) -> None:
    (root / "txt/ours_test.txt").write_text(content)
    with pytest.raises(DataError) as error:
        mnre.read(root, "test")
    assert str(error.value) == f"{root}/txt/ours_test.txt: is empty"


def test_a_missing_file_or_folder_is_an_error(root: Path) -> None:
    (root / "txt/ours_val.txt").unlink()
    with pytest.raises(DataError, match=r"ours_val\.txt: no such file, nor ours_dev\.txt$"):
        mnre.read(root, "dev")
    with pytest.raises(DataError, match="nowhere/txt: no such folder$"):
        mnre.read(root / "nowhere", "dev")


def test_relations_may_lie_one_folder_up(root: Path) -> None:
    (root / "inner").mkdir()
    assert mnre.read_relations(root / "inner") == RELATIONS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"None": 0', r":1: is not JSON: Expecting ',' delimiter"),
        ("[]", ": must map the names of relations to numbers"),
        ('{"None": 1, "a": 2}', ": must number its 2 relations from 0 to 1"),
        ('{"None": 0, "a": 0}', ": must number its 2 relations from 0 to 1"),
        ('{"None": "0"}', ": must number its 1 relations from 0 to 0"),
    ],
)
def test_relations_must_be_numbered_from_zero(root: Path, content: str, reason: str) -> None:
    path = root / "ours_rel2id.json"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        mnre.read_relations(root)
    assert str(error.value) == f"{path}{reason}"


@pytest.mark.parametrize(
    ("split", "rows", "images", "none", "crops"),
    [("train", 12_247, 7_356, 7_744, 32_550), ("dev", 1_624, 931, 1_000, 4_344), ("test", 1_614, 914, 974, 4_373)],
)
def test_the_public_data_set_is_read_whole(
    real: Callable[[str], Path], split: str, rows: int, images: int, none: int, crops: int
) -> None:
    root = real("mnre")
    examples = mnre.read(root, split, ("image", "crops"))
    labels = Counter(example.relation for example in examples)
    assert (len(examples), labels["None"]) == (rows, none)
    assert labels.keys() <= mnre.read_relations(root).keys()
    assert len({example.images["image"] for example in examples}) == images
    assert sum(len(example.images["crops"]) for example in examples) == crops


def test_the_public_data_set_has_23_relations(real: Callable[[str], Path]) -> None:
    relations = mnre.read_relations(real("mnre"))
    assert (len(relations), relations["None"]) == (23, 0)
