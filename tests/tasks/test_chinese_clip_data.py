"""Chinese-CLIP's layout, as text files and as LMDB: what is read of it, and what is said where it cannot be used."""

import base64
import json
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import lmdb
import pytest
from PIL import Image

from mkgc.data.formats.plain_pickle import read_plain
from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from mkgc.images import unpacked
from tasks.retrieval.source import CaptionSource
from tests.conftest import TINY, said

TEXTS = [
    {"text_id": 7, "text": "一只红狗", "image_ids": [1]},
    {"text_id": 8, "text": "动物", "image_ids": [1, 2]},
]


def picture(colour: str, kind: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, kind)
    return file.getvalue()


IMAGES = {"1": picture("red"), "2": picture("blue", "JPEG")}


def text_files(root: Path, texts: list[dict[str, Any]] = TEXTS, lines: str | None = None) -> Path:
    table = "".join(f"{key}\t{base64.b64encode(data).decode()}\n" for key, data in IMAGES.items())
    for split in ("train", "valid", "test"):
        (root / f"{split}_imgs.tsv").write_text(table if lines is None else lines)
        rows = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
        (root / f"{split}_texts.jsonl").write_text(rows, encoding="utf-8")
    return root


def databases(root: Path, texts: list[dict[str, Any]] = TEXTS) -> Path:
    for split in ("train", "valid", "test"):
        pairs = [(image, text["text_id"], text["text"]) for text in texts for image in text["image_ids"]]
        values = {str(number): pickle.dumps(pair) for number, pair in enumerate(pairs)}
        put(root / "lmdb" / split / "pairs", values | {"num_samples": str(len(pairs)).encode()})
        encoded = {key: base64.b64encode(data) for key, data in IMAGES.items()}
        put(root / "lmdb" / split / "imgs", encoded | {"num_images": b"2"})
    return root


def put(folder: Path, values: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(folder), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key.encode(), value)


def read(root: Path) -> CaptionSource:
    return CaptionSource(DataSettings(str(root), format="chinese_clip", images={"image": 32}))


@pytest.mark.parametrize("layout", [text_files, databases])
def test_a_text_is_paired_with_each_of_its_images(layout: Any, tmp_path: Path) -> None:
    source = read(layout(tmp_path))
    for part in source.splits.values():
        assert [(pair.text, pair.image.split("/")[-1], pair.id) for pair in part] == [
            ("一只红狗", "1", "7"),
            ("动物", "1", "8/1"),
            ("动物", "2", "8/2"),
        ]
        paths = [pair.images["image"][0] for pair in part]
        assert [path.name for path in paths] == ["1.png", "1.png", "2.jpg"]
        assert [path.read_bytes() for path in paths[1:]] == [*IMAGES.values()]
    assert source.notes == ()


def test_both_layouts_are_the_same_examples(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert read(text_files(tmp_path / "a")).digest() == read(databases(tmp_path / "b")).digest()


def test_images_are_unpacked_once_and_again_when_the_file_changes(tmp_path: Path) -> None:
    text_files(tmp_path)
    read(tmp_path)
    file = tmp_path / "unpacked" / "dev" / "1.png"
    before = file.stat().st_mtime_ns, file.stat().st_ino
    read(tmp_path)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before
    (tmp_path / "valid_imgs.tsv").write_text(f"1\t{base64.urlsafe_b64encode(picture('green')).decode()}\n")
    read(tmp_path)
    assert file.read_bytes() == picture("green")
    assert not (tmp_path / "unpacked" / "dev" / "2.jpg").exists()


def test_without_base64_images_are_files(tmp_path: Path) -> None:
    text_files(tmp_path)
    (tmp_path / "images").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}_imgs.tsv").unlink()
    (tmp_path / "images" / "1.webp").write_bytes(IMAGES["1"])
    assert read(tmp_path).splits["dev"][0].images["image"][0].name == "1.webp"


@pytest.mark.parametrize(("text", "why"), [("%%%", "is no base64"), ("QUJ", "is no base64"), ("", "is empty")])
def test_broken_base64_is_said_and_its_image_is_missing(tmp_path: Path, text: str, why: str) -> None:
    source = read(text_files(tmp_path, lines=f"2\t{base64.b64encode(IMAGES['2']).decode()}\n1\t{text}\n"))
    assert source.notes[0].text.startswith("images that cannot be unpacked, and are missing: ")
    assert f"train_imgs.tsv:2 (image 1): {why}" in source.notes[0].text
    assert not source.splits["train"][0].images["image"][0].exists()
    assert source.splits["train"][2].images["image"][0].exists()
    assert read(tmp_path).notes == source.notes  # also when nothing is unpacked anew


def test_images_without_a_text_are_said(tmp_path: Path) -> None:
    source = read(text_files(tmp_path, TEXTS[:1]))
    assert "images that no caption names: 3 (unpacked/dev/2.jpg" in source.notes[0].text


@pytest.mark.parametrize(
    ("texts", "lines", "message"),
    [
        ([{"text_id": 1, "text": "a", "image_ids": []}, TEXTS[0]], None, "texts.jsonl:1: the text 1 has no image"),
        ([{"text_id": 1, "text": "a", "image_ids": []}], None, "no text has an image .*MUGE's test"),
        ([TEXTS[0], TEXTS[0]], None, "texts.jsonl:2: the id '7' is that of .*texts.jsonl:1, too"),
        ([{"text_id": 1, "image_ids": [1]}], None, "texts.jsonl:1: the key 'text' is missing"),
        ([{"text_id": 1, "text": " ", "image_ids": [1]}], None, "texts.jsonl:1: a caption must be text"),
        ([{"text_id": 1, "text": "a", "image_ids": 1}], None, "'image_ids' must be a list of ids, not 1"),
        (TEXTS, "1 QUJD\n", "train_imgs.tsv:1: a line must be an image's id, a tab and the image in base64"),
        (TEXTS, "1\tQUJD\n1\tQUJE\n", r"train_imgs.tsv:2: the id '1' is that of another image, too \(.*tsv:1\)"),
    ],
)
def test_files_that_cannot_be_used_are_an_error(
    tmp_path: Path, texts: list[dict[str, Any]], lines: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(text_files(tmp_path, texts, lines))


class Hostile:
    def __reduce__(self) -> Any:
        return print, ("run",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pickle.dumps((1, 2, Hostile())), r"pairs/data.mdb: 0: the pair holds more than texts and numbers"),
        (pickle.dumps([1, 2, "a"]), "the pair holds more than texts and numbers"),
        (pickle.dumps((1, "a")), "a pair must be an image's id, a text's id and the text"),
        (b"\x80\x04K", "the pair"),
        (b"nothing", "the pair"),
    ],
    ids=["a call", "a list", "two", "cut short", "no pickle"],
)
def test_a_pair_is_read_without_running_it(
    tmp_path: Path, value: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(databases(tmp_path) / "lmdb" / "train" / "pairs", {"0": value})
    with pytest.raises(DataError, match=message):
        read(tmp_path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_texts_and_numbers_are_read_as_pickle_writes_them(protocol: int) -> None:
    name = "一二"
    for value in ((1, 2, "三"), (name, name, "x" * 300), (1 << 40, -5, ""), (("a", 1), (), "b")):
        assert read_plain(pickle.dumps(value, protocol)) == value


def test_two_texts_with_one_id_are_an_error(tmp_path: Path) -> None:
    databases(tmp_path, [*TEXTS, {"text_id": 7, "text": "又一只狗", "image_ids": [2]}])
    with pytest.raises(DataError, match=r"data.mdb: 3: the id '7' is that of another text, too \(.*data.mdb: 0\)"):
        read(tmp_path)


def test_a_database_that_is_cut_short_or_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = databases(tmp_path) / "lmdb" / "train" / "pairs" / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 4096])
    with pytest.raises(DataError, match=r"data.mdb: was cut short: .* bytes instead of"):
        read(tmp_path)
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=r"data.mdb: is no LMDB"):
        read(tmp_path)
    path.unlink()
    put(path.parent, {"num_samples": b"0"})
    with pytest.raises(DataError, match=r"data.mdb: there is no pair, as in MUGE's test"):
        read(tmp_path)
    put(path.parent, {"num_samples": b"3"})
    with pytest.raises(DataError, match=r"data.mdb: there is no pair 0 of 3"):
        read(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "lmdb.py").write_text("raise ImportError")
    with pytest.raises(ConfigError, match=r"needs LMDB, which is not installed: pip install mkgc\[lmdb\]"):
        read(tmp_path)


def test_unpacking_leaves_all_or_nothing(tmp_path: Path) -> None:
    def images() -> Any:
        yield unpacked.Encoded("1", base64.b64encode(IMAGES["1"]).decode(), "1")
        raise DataError("the end")

    (tmp_path / "source").write_text("")
    with pytest.raises(DataError, match="the end"):
        unpacked.unpack_images(tmp_path / "there" / "train", tmp_path / "source", images)
    assert [*(tmp_path / "there").iterdir()] == []
    (tmp_path / "there" / "train").mkdir()
    with pytest.raises(DataError, match="was not unpacked from source: move it away"):
        unpacked.unpack_images(tmp_path / "there" / "train", tmp_path / "source", images)


def test_check_counts_what_is_there_and_names_what_is_broken(run: Callable[..., Any], tmp_path: Path) -> None:
    lines = f"2\t{base64.b64encode(IMAGES['2']).decode()}\n1\t!\n3\t{base64.b64encode(IMAGES['1']).decode()}\n"
    words = ["task=retrieval", "data=chinese_clip", f"data.root={text_files(tmp_path, lines=lines)}"]
    code, out, err = run("check", *words, *TINY, "output=out")
    findings = {one["text"] for one in json.loads((tmp_path / "out" / "report.json").read_text())["findings"]}
    assert (code, err) == (0, "")
    broken = "images that cannot be unpacked, and are missing: "
    assert any(one.startswith(f"{broken}{tmp_path}/train_imgs.tsv:2 (image 1): is no base64") for one in findings)
    assert "images that no caption names: 3 (unpacked/dev/3.png, unpacked/test/3.png, unpacked/train/3.png)" in findings
    assert "2 of 3 pairs of train are left out: their image cannot be used" in findings
    assert "Counts" in out


def test_what_cannot_be_used_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    text_files(tmp_path, [TEXTS[0], {"text_id": 9, "text": "无图", "image_ids": []}])
    code, out, err = run("check", "task=retrieval", "data=chinese_clip", f"data.root={tmp_path}", *TINY)
    assert (code, out) == (2, "")
    assert said(err) == f"{tmp_path}/train_texts.jsonl:2: the text 9 has no image: 'image_ids' is empty"
