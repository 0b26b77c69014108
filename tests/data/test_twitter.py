from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from mkgc.errors import DataError
from tasks.mner import twitter
from tasks.mner.example import TaggedExample
from tasks.mner.schemes import in_one_scheme

TRAIN = "IMGID:7\nAda\tB-PER\nLovelace\tI-PER\nleft\tO\nRome\tB-LOC\n\nIMGID:8\nParis\tB-LOC\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "twitter2017"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(TRAIN)
    return folder


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_block_is_a_sentence_with_a_tag_a_token_and_its_image(root: Path) -> None:
    jpg, png = touch(root / "images/7.jpg"), touch(root / "images/8.png")
    ada = ("Ada", "Lovelace", "left", "Rome"), ("B-PER", "I-PER", "O", "B-LOC")
    assert twitter.read(root, "train") == [
        TaggedExample("7", *ada, {"image": (jpg,)}),
        TaggedExample("8", ("Paris",), ("B-LOC",), {"image": (png,)}),
    ]


def test_the_last_block_needs_no_blank_line_after_it(root: Path) -> None:
    (root / "test.txt").write_text(TRAIN + "\n")
    assert twitter.read(root, "test") == twitter.read(root, "train")


def test_a_no_break_space_is_a_token(root: Path) -> None:
    (root / "test.txt").write_text("IMGID:1\n\u00a0\tO\nRome\tB-LOC\n", encoding="utf-8")
    assert twitter.read(root, "test")[0].tokens == ("\u00a0", "Rome")


def test_lines_may_end_in_crlf_and_the_file_may_begin_with_a_byte_order_mark(root: Path) -> None:
    (root / "test.txt").write_bytes(b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode())
    assert twitter.read(root, "test") == twitter.read(root, "train")


def test_an_inside_tag_may_follow_anything_as_it_does_in_the_real_data(root: Path) -> None:
    (root / "test.txt").write_text("IMGID:1\nin\tO\nNew\tI-LOC\nYork\tI-PER\n")
    assert twitter.read(root, "test")[0].tags == ("O", "I-LOC", "I-PER")


@pytest.mark.parametrize("name", ["dev.txt", "val.txt"])
def test_dev_has_other_names(root: Path, name: str) -> None:
    (root / "valid.txt").rename(root / name)
    assert len(twitter.read(root, "dev")) == 2


@pytest.mark.parametrize("folder", ["images", "twitter2017_images", "../twitter2017_images"])
def test_images_lie_where_the_released_data_have_them(root: Path, folder: str) -> None:
    (root / "twitter2017_aux_images").mkdir()
    image = touch(root / folder / "7.jpg")
    assert [p.resolve() for p in twitter.read(root, "train")[0].images["image"]] == [image.resolve()]


@pytest.mark.parametrize("folder", ["twitter2017_aux_images/val/crops", "crops", "../data_vg/twitter2017/val/crops"])
def test_crops_are_listed_by_image(root: Path, folder: str) -> None:
    torch.save({"7.jpg": ["a.png", "b.png"]}, root / "twitter2017_val_dict.pth")
    crops = tuple(touch(root / folder / name).resolve() for name in ("a.png", "b.png"))
    first, second = (example.images["crops"] for example in twitter.read(root, "dev", ("crops",)))
    assert tuple(path.resolve() for path in first) == crops
    assert second == ()


@pytest.mark.parametrize("listed", ["all_img2crop.pth", "../twitter17_detect/twitter17_img2crop.pth"])
def test_objects_are_listed_by_the_stem_of_the_image(root: Path, listed: str) -> None:
    (root.parent / "twitter17_detect").mkdir()
    torch.save({"7": ["twitter17_detect/crops/a.png"]}, root / listed)
    found = touch(root.parent / "twitter17_detect/crops/a.png")
    assert twitter.read(root, "train", ("objects",))[0].images == {"objects": (found,)}


@pytest.mark.parametrize(
    ("group", "name"), [("crops", "twitter2017_test_dict.pth"), ("objects", "twitter2017_img2crop.pth")]
)
def test_crops_that_are_asked_for_but_not_listed_are_an_error(root: Path, group: str, name: str) -> None:
    with pytest.raises(DataError) as error:
        twitter.read(root, "test", (group,))
    assert str(error.value) == (
        f"{root / name}: no such file, which data.images.{group} needs; data.images.{group}=null trains without"
    )


def test_types_are_those_of_train_sorted(root: Path) -> None:
    assert twitter.read_labels(root) == ("LOC", "PER")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Rome\tB-ORG", "the tag 'B-ORG' has a type that train does not (LOC, PER)"),
        ("Rome\tLOC", "the tag 'LOC' is none of O, B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)"),
        ("Rome\tB-", "the tag 'B-' is none of O, B-<type> and I-<type> (nor E-, S-, M-, L-, U- or W-<type>)"),
        ("Rome B-LOC", "expected token<TAB>label, got 'Rome B-LOC'"),
        ("\tB-LOC", "expected token<TAB>label, got '\\tB-LOC'"),
        ("\nRome\tB-LOC", "a sentence begins without a line 'IMGID:…' for its image"),
    ],
)
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_line_that_cannot_be_used_is_named_with_its_reason(root: Path, split: str, line: str, reason: str) -> None:
    path = root / {"dev": "valid.txt", "test": "test.txt"}[split]
    path.write_text(f"IMGID:1\nin\tO\n{line}\n")
    number = 3 + line.count("\n")
    with pytest.raises(DataError) as error:
        twitter.read(root, split)
    assert str(error.value) == f"{path}:{number}: {reason}"


def test_a_malformed_tag_in_train_is_named_too(root: Path) -> None:
    (root / "train.txt").write_text("IMGID:1\nRome\tLOC\n")
    with pytest.raises(DataError, match=r"train\.txt:2: the tag 'LOC' is none of O"):
        twitter.read_labels(root)


def test_a_image_without_a_sentence_is_an_error(root: Path) -> None:
    (root / "test.txt").write_text("IMGID:1\n\nIMGID:2\nRome\tB-LOC\n")
    with pytest.raises(DataError, match=r"test\.txt:1: 'IMGID:1' is followed by no token$"):
        twitter.read(root, "test")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_an_error(root: Path, content: str) -> None:
    (root / "test.txt").write_text(content)
    with pytest.raises(DataError, match=r"test\.txt: is empty$"):
        twitter.read(root, "test")


def test_bytes_that_are_not_utf8_are_an_error(root: Path) -> None:
    (root / "test.txt").write_bytes(b"IMGID:1\nZ\xfcrich\tB-LOC\n")
    with pytest.raises(DataError) as error:
        twitter.read(root, "test")
    reason = "byte 0xfc at column 2 is not UTF-8: save the file as UTF-8"
    assert str(error.value) == f"{root / 'test.txt'}:2: {reason}"


def test_lines_that_end_in_cr_alone_are_one_short_line(root: Path) -> None:
    (root / "train.txt").write_bytes((TRAIN * 1000).replace("\n", "\r").encode())
    with pytest.raises(DataError) as error:
        twitter.read(root, "train")
    reason = "lines end in CR alone, as old Macs wrote them: save the file with LF or CRLF"
    assert str(error.value) == f"{root / 'train.txt'}:1: {reason}"


COUNTS = {
    ("twitter2015", "train"): (4_000, {"PER": 2217, "LOC": 2091, "ORG": 927, "OTHER": 931}, 4_000, 186),
    ("twitter2015", "dev"): (1_000, {"PER": 552, "LOC": 522, "ORG": 247, "OTHER": 220}, 999, 53),
    ("twitter2015", "test"): (3_257, {"PER": 1816, "LOC": 1697, "ORG": 839, "OTHER": 720}, 3_257, 135),
    ("twitter2017", "train"): (3_373, {"PER": 2943, "LOC": 731, "ORG": 1674, "MISC": 701}, 3_373, 0),
    ("twitter2017", "dev"): (723, {"PER": 626, "LOC": 173, "ORG": 375, "MISC": 150}, 723, 0),
    ("twitter2017", "test"): (723, {"PER": 621, "LOC": 178, "ORG": 395, "MISC": 157}, 723, 0),
}


@pytest.mark.parametrize(("name", "split"), COUNTS)
def test_the_public_data_sets_are_read_whole(real: Callable[[str], Path], name: str, split: str) -> None:
    sentences, entities, with_crops, loose = COUNTS[name, split]
    examples = twitter.read(real(name), split, ("image", "crops"))
    begun = Counter(tag[2:] for example in examples for tag in example.tags or () if tag.startswith("B-"))
    assert (len(examples), begun) == (sentences, entities)
    assert sum(bool(example.images["crops"]) for example in examples) == with_crops
    assert len({example.id for example in examples}) == sentences
    assert sum(loose_insides(example.tags or ()) for example in examples) == loose


@pytest.mark.parametrize(("name", "loose"), [("twitter2015", 374), ("twitter2017", 0)])
def test_the_public_data_sets_are_iob2_and_stay_as_they_are(real: Callable[[str], Path], name: str, loose: int) -> None:
    splits = {split: twitter.read(real(name), split) for split in ("train", "dev", "test")}
    read = in_one_scheme(splits)
    assert read.splits == splits
    said = f"; {loose} I- tags continue no mention: training reads them as B-, scoring as no mention"
    assert [note.text for note in read.notes] == [f"tags: IOB2{said if loose else ', none rewritten'}"]


def loose_insides(tags: tuple[str, ...]) -> int:
    """How often an entity goes on that has not begun: such input is legal, and is kept."""
    return sum(tag[:2] == "I-" and before[2:] != tag[2:] for before, tag in pairwise(("O", *tags)))
