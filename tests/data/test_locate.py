"""Where the images lie that sentences name."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mkgc.data.formats.locate import find_unnamed, locate
from tasks.mner import twitter
from tasks.mner.source import TaggedSource


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, format="PNG")
    return path


@pytest.mark.parametrize("there", ["7.jpg", "7.JPG", "7.webp", "7.jfif", "7", "7.img"])
def test_an_image_is_found_whatever_its_suffix(tmp_path: Path, there: str) -> None:
    path = save(tmp_path / there)
    assert locate((tmp_path / "none", tmp_path), "7.jpg") == path


def test_the_first_folder_and_the_exact_name_come_first(tmp_path: Path) -> None:
    second, first = save(tmp_path / "b/7.jpg"), save(tmp_path / "a/7.png")
    assert locate((tmp_path / "b", tmp_path / "a"), "7.jpg") == second
    assert locate((tmp_path / "a", tmp_path / "b"), "7.png") == first


def test_what_is_nowhere_should_have_been_in_the_first_folder(tmp_path: Path) -> None:
    save(tmp_path / "a/8.png")
    (tmp_path / "a/7.txt").write_text("a caption")
    assert locate((tmp_path / "a", tmp_path / "b"), "7.jpg") == tmp_path / "a/7.jpg"


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "\ud800", "a/b/c.png"])
def test_a_name_that_no_file_can_have_is_nowhere(tmp_path: Path, name: str) -> None:
    assert locate((tmp_path,), name) == tmp_path / name


def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path) -> None:
    path = save(tmp_path / "A\u0308.png")
    assert locate((tmp_path,), "\u00c4.png") == path


def tweets(root: Path, *images: str) -> None:
    for split in ("train", "valid", "test"):
        (root / f"{split}.txt").write_text("".join(f"IMGID:{image}\nAda\tB-PER\n\n" for image in images))


@pytest.mark.parametrize("broken", [b"", b"<html>", b"\x89PNG\r\n\x1a\n cut"])
def test_a_broken_file_does_not_hide_a_good_one(tmp_path: Path, broken: bytes) -> None:
    tweets(tmp_path, "7", "8")
    good = save(tmp_path / "images/7.png")
    for name in ("7.jpg", "8.jpg"):
        (tmp_path / "images" / name).write_bytes(broken)
    found = [example.images["image"] for example in twitter.read(tmp_path, "train")]
    assert found == [(good,), (tmp_path / "images/8.jpg",)]


def test_records_name_images_up_to_their_suffix(tmp_path: Path) -> None:
    record = {"tokens": ["Ada"], "tags": ["B-PER"], "image": ["photos/7.jpg", "8.png"]}
    (tmp_path / "train.jsonl").write_text(json.dumps(record) + "\n")
    path = save(tmp_path / "photos/7.JPEG")
    (example,) = TaggedSource.formats["jsonl"].examples(tmp_path, "train")
    assert example.images["image"] == (path, tmp_path / "8.png")


def test_files_that_nobody_names_are_those_with_a_usual_suffix_beside_the_named_ones(tmp_path: Path) -> None:
    named, other = save(tmp_path / "images/7.png"), save(tmp_path / "images/8.JPG")
    for name in ("notes.txt", ".9.png"):
        (tmp_path / "images" / name).touch()
    save(tmp_path / "elsewhere/1.png")
    assert find_unnamed([named], [named, tmp_path / "images/missing.jpg"]) == [other]
