"""Flickr8k-CN, Flickr30k-CN and COCO-CN: numbered captions, and lists of the images of each split."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.settings import DataSettings
from mkgc.errors import DataError
from mkgc.inspect.published import PUBLISHED
from tasks.retrieval.numbered import flickr8k, together
from tasks.retrieval.source import CaptionSource

CAPTIONS = "a_1.jpg#zhc#0 一只狗。\na_1.jpg#zhc#1  跑。\nb_2.jpg#zhc#0 两只猫\nc_3.jpg#zhc#0 树\nd_4.jpg#zhc#0 山\n"


def source(root: Path, form: str, **settings: Any) -> CaptionSource:
    return CaptionSource(DataSettings(str(root), format=form, images={"image": 32}, **settings))


def pairs(source: CaptionSource, split: str) -> list[tuple[str, str, str | None]]:
    return [(pair.text, pair.image, pair.id) for pair in source.splits[split]]


@pytest.fixture
def flickr8k_root(tmp_path: Path) -> Path:
    (tmp_path / "flickr8kzhc.caption.txt").write_text(CAPTIONS, encoding="utf-8")
    (tmp_path / "flickr8kzhmtest.captions.txt").write_text("c_3.jpg#zhm#0 一棵树\n", encoding="utf-8")
    for split, name in (("train", "a_1"), ("val", "b_2"), ("test", "c_3")):
        (tmp_path / f"flickr8k{split}.txt").write_text(f"{name}\n")
    return tmp_path


def test_flickr8k_has_captions_by_people_of_the_listed_images(flickr8k_root: Path) -> None:
    read = source(flickr8k_root, "flickr8k_cn")
    assert pairs(read, "train") == [
        ("一只狗。", "images/a_1.jpg", "a_1.jpg#zhc#0"),
        ("跑。", "images/a_1.jpg", "a_1.jpg#zhc#1"),
    ]
    assert [pair[0] for pair in pairs(read, "test")] == ["树"]
    assert [pair[0] for pair in pairs(source(flickr8k_root, "flickr8k_cn_translated"), "test")] == ["一棵树"]


def test_images_may_lie_as_their_own_archive_has_them(flickr8k_root: Path) -> None:
    (flickr8k_root / "Flicker8k_Dataset").mkdir()
    assert pairs(source(flickr8k_root, "flickr8k_cn"), "test")[0][1] == "Flicker8k_Dataset/c_3.jpg"


def test_listed_images_without_a_caption_are_said(flickr8k_root: Path) -> None:
    (flickr8k_root / "flickr8ktest.txt").write_text("c_3\nx_9\n")
    assert [note.text for note in source(flickr8k_root, "flickr8k_cn").notes] == [
        "1 image of flickr8ktest.txt without a caption in flickr8kzhc.caption.txt, as x_9: left out"
    ]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("flickr8kzhc.caption.txt", "a_1.jpg 一只狗\n", "caption.txt:1: a line must be IMAGE#0 and a caption"),
        ("flickr8kzhc.caption.txt", "a_1.jpg#zhc#0 \n", "caption.txt:1: the caption a_1.jpg#zhc#0 is empty"),
        (
            "flickr8kzhc.caption.txt",
            CAPTIONS + "a_1.jpg#zhc#0 狗\n",
            "caption.txt:6: the id 'a_1.jpg#zhc#0' is that of",
        ),
        ("flickr8kval.txt", "\n", "flickr8kval.txt: is empty"),
        ("flickr8kval.txt", "y_1\n", "no caption of dev"),
    ],
)
def test_lines_that_cannot_be_used_are_an_error(flickr8k_root: Path, file: str, text: str, message: str) -> None:
    (flickr8k_root / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        source(flickr8k_root, "flickr8k_cn")


def test_flickr30k_is_put_together_again_of_its_words(tmp_path: Path) -> None:
    for name, line in (
        ("flickr30kzhbbosontrain", "1#zhb#0 两个 男人  一只 狗"),
        ("flickr30kzhbbosonval", "2#zhb#0 一个 女人"),
        ("flickr30kzhmbosontest", "3#zhm#0 警车:n 停:v 在:p 路边:s 。:wj"),
    ):
        for folder, text in (("TextData/seg.{}.caption.txt", line), ("ImageSets/{}.txt", line.split("#")[0])):
            path = tmp_path / name / folder.format(name)
            path.parent.mkdir(parents=True)
            path.write_text(f"{text}\n", encoding="utf-8")
    read = source(tmp_path, "flickr30k_cn")
    assert pairs(read, "train") == [("两个男人，一只狗", "images/1.jpg", "1#zhb#0")]
    assert pairs(read, "test") == [("警车停在路边。", "images/3.jpg", "3#zhm#0")]


@pytest.mark.parametrize(
    ("words", "text"), [("NBA 球员 在 打 球", "NBA球员在打球"), ("New York 的 夜晚", "New York的夜晚"), ("  ", "")]
)
def test_spaces_between_latin_words_stay(words: str, text: str) -> None:
    assert together(words) == text


def test_coco_has_one_or_two_captions_an_image(tmp_path: Path) -> None:
    names = {"train": "COCO_train2014_1", "val": "COCO_val2014_2", "test": "COCO_train2014_3"}
    captions = "".join(f"{name}#{number}\t图{number}\n" for name in names.values() for number in (0, 1))
    (tmp_path / "imageid.human-written-caption.txt").write_text(captions, encoding="utf-8")
    for split, name in names.items():
        (tmp_path / f"coco-cn_{split}.txt").write_text(f"{name}\n")
    assert pairs(source(tmp_path, "coco_cn"), "dev") == [
        ("图0", "COCO_val2014_2.jpg", "COCO_val2014_2#0"),
        ("图1", "COCO_val2014_2.jpg", "COCO_val2014_2#1"),
    ]
    (tmp_path / "images" / "val2014").mkdir(parents=True)
    assert pairs(source(tmp_path, "coco_cn"), "dev")[0][1] == "images/val2014/COCO_val2014_2.jpg"


def test_flickr8k_cn_holds_what_was_published(real: Callable[[str], Path]) -> None:
    root = real("retrieval") / "flickr8k-cn"
    notes: list[Any] = []
    read = {split: [record for record, _ in flickr8k(root, split, notes)] for split in ("train", "dev", "test")}
    published = PUBLISHED["flickr8k_cn"].counts
    assert tuple(map(len, read.values())) == published["pairs"]
    assert tuple(len({one["image"] for one in part}) for part in read.values()) == published["images"]
    assert notes == []
    different = {(one["text"], one["image"]) for one in read["train"]}
    assert (len(different), len({text for text, _ in different})) == (28_523, 22_775)
    translated = [record for record, _ in flickr8k(root, "test", [], translated=True)]
    assert len(translated) == len({record["id"] for record in translated}) == 5000


def test_the_later_captions_of_coco_cn_are_4712(real: Callable[[str], Path]) -> None:
    read = source(real("retrieval"), "coco_cn_ext", split={"dev": 0.1, "test": 0.1, "seed": 0})
    images = [len({pair.image for pair in part}) for part in read.splits.values()]
    assert (sum(map(len, read.splits.values())), images) == (4712, [3659, 457, 457])
