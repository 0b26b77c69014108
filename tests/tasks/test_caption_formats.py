"""Sets of pictures with captions: languages, and splits that keep all captions of a picture together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from tasks.retrieval.source import CaptionSource
from tests.conftest import TINY

SPLIT = {"dev": 0.25, "test": 0.25, "seed": 0}
TENTHS = {"dev": 0.1, "test": 0.1, "seed": 0}


def source(root: Path, form: str, split: dict[str, float] | None = SPLIT, **settings: Any) -> CaptionSource:
    return CaptionSource(DataSettings(str(root), format=form, split=split, images={"image": 32}, **settings))


def write(root: Path, *records: dict[str, Any]) -> Path:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (root / "captions.jsonl").write_text(text, encoding="utf-8")
    for name in {name for record in records for name in [record.get("image")] if isinstance(name, str)}:
        (root / name).write_bytes(name.encode())
    return root


def pictures(source: CaptionSource) -> dict[str, set[str]]:
    return {split: {pair.image for pair in part} for split, part in source.splits.items()}


def test_all_captions_of_a_picture_are_in_one_split(tmp_path: Path) -> None:
    write(tmp_path, *({"text": f"caption {i}", "image": f"{i % 8}.png"} for i in range(24)))
    read = source(tmp_path, "captions")
    assert {split: len(part) for split, part in read.splits.items()} == {"train": 12, "dev": 6, "test": 6}
    shown = pictures(read)
    assert sum(map(len, shown.values())) == len(set.union(*shown.values())) == 8
    assert read.notes[0].text == "pictures split with seed 0: train 4, dev 2, test 2"


def test_another_seed_draws_others_and_more_captions_draw_the_same(tmp_path: Path) -> None:
    records = [{"text": f"caption {i}", "image": f"{i}.png"} for i in range(8)]
    read = pictures(source(write(tmp_path, *records), "captions"))
    assert pictures(source(tmp_path, "captions", SPLIT | {"seed": 1})) != read
    assert pictures(source(write(tmp_path, *records, {"text": "more", "image": "3.png"}), "captions")) == read


def test_files_with_the_same_content_are_one_picture(tmp_path: Path) -> None:
    write(tmp_path, *({"text": f"caption {i}", "image": f"{i}.png"} for i in range(8)))
    (tmp_path / "7.png").write_bytes((tmp_path / "2.png").read_bytes())
    read = source(tmp_path, "captions")
    assert [n.text for n in read.notes][1:] == ["1 file holds the same picture as another one: its captions are joined"]
    together = [pair.text for part in read.splits.values() for pair in part if pair.image == "2.png"]
    assert together == ["caption 2", "caption 7"]


TRANSLATED = (
    {"texts": {"zh": ["狗", "一只狗"], "en": ["dog"]}, "image": "0.png"},
    {"texts": {"zh": ["猫"], "en": ["cat"]}, "image": "1.png"},
    {"texts": {"en": ["cow"]}, "image": "2.png"},
)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (None, {"狗", "一只狗", "dog", "猫", "cat", "cow"}),
        ("zh", {"狗", "一只狗", "猫"}),
        ("en", {"dog", "cat", "cow"}),
    ],
)
def test_captions_are_read_in_one_language_or_in_all(tmp_path: Path, language: str | None, texts: set[str]) -> None:
    for split in ("train", "dev", "test"):
        write(tmp_path, *TRANSLATED)
        (tmp_path / "captions.jsonl").rename(tmp_path / f"{split}.jsonl")
    read = source(tmp_path, "jsonl", None, language=language)
    assert {pair.text for pair in read.splits["test"]} == texts
    said = ["1 records of train have no caption in zh"] if language == "zh" else []
    assert [note.text for note in read.notes if "train" in note.text] == said


@pytest.mark.parametrize(
    ("form", "settings", "message"),
    [
        ("captions", {"language": "fr"}, "data.language=fr: captions are in other languages: en, zh"),
        ("captions", {"split": None}, "data.split=null: format=captions is one set, and needs it"),
        ("jsonl", {}, "data.split: format=jsonl has splits of its own"),
    ],
)
def test_settings_that_do_not_fit_the_layout_are_refused(
    tmp_path: Path, form: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        source(write(tmp_path, *TRANSLATED), form, **settings)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"image": "0.png"}], "captions.jsonl:1: give one of 'text' and 'texts'"),
        ([{"text": "dog"}], "captions.jsonl:1: the key 'image' is missing"),
        ([{"texts": {"en": "dog"}, "image": "0.png"}], "captions.jsonl:1: 'texts' must map languages to lists"),
        ([{"texts": {"en": []}, "image": "0.png"}], "captions.jsonl:1: 'texts' must be a list of captions, one at"),
        ([{"id": 1, "text": "a", "image": "0.png"}] * 2, "captions.jsonl:2: the id '1' is that of .*jsonl:1, too"),
        ([{"text": "dog", "image": "0.png"}], "no picture of 1 is left for dev: choose other shares"),
    ],
)
def test_captions_that_cannot_be_used_are_an_error(tmp_path: Path, records: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        source(write(tmp_path, *records), "captions")


def test_a_check_finds_pictures_of_one_split_in_another_under_whatever_name(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    for split, colours in (("train", "red blue green black"), ("dev", "red yellow"), ("test", "white grey")):
        rows = []
        for colour in colours.split():
            (tmp_path / split).mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), colour).save(tmp_path / split / f"{colour}.png")
            rows.append(json.dumps({"text": f"{split} {colour}", "image": f"{split}/{colour}.png"}) + "\n")
        (tmp_path / f"{split}.jsonl").write_text("".join(rows))
    code, _, err = run("check", "task=retrieval", "data=jsonl", f"data.root={tmp_path}", *TINY, "output=out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (code, err) == (0, "")
    found = [one["text"] for one in report["findings"] if one["severity"] == "warning"]
    assert "of 2 examples of dev, train has 1 (same image), 0 (same text), 0 (same pair)" in found


def test_a_table_without_its_titles_or_cells_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "countries.tsv").write_text("cca2\tname_en\nfr\tFrance\n")
    with pytest.raises(DataError, match=r"countries.tsv:1: its first line has no title 'name_zh'"):
        source(tmp_path, "flags")
    (tmp_path / "countries.tsv").write_text("cca2\tname_en\tname_zh\nfr\tFrance\n")
    with pytest.raises(DataError, match=r"countries.tsv:2: 2 columns instead of 3 between tabs"):
        source(tmp_path, "flags")


def test_emoji_are_1348_pictures_with_a_name_in_two_languages(real: Callable[[str], Path]) -> None:
    read = source(real("emoji_zh"), "emoji_zh", TENTHS)
    assert {split: len(part) for split, part in read.splits.items()} == {"train": 2156, "dev": 270, "test": 270}
    assert sum(map(len, pictures(read).values())) == 1348
    chinese = source(real("emoji_zh"), "emoji_zh", TENTHS, language="zh")
    assert len({pair.text for part in chinese.splits.values() for pair in part}) == 1348
    assert pictures(chinese) == pictures(read)


def test_keywords_of_emoji_are_captions_of_several_pictures(real: Callable[[str], Path]) -> None:
    read = source(real("emoji_zh"), "emoji_zh_keywords", TENTHS, language="zh")
    faces = [pair.image for part in read.splits.values() for pair in part if pair.text == "脸"]
    assert len(faces) == len(set(faces)) == 107


def test_stamps_have_captions_in_three_languages_and_some_flags_are_equal(real: Callable[[str], Path]) -> None:
    stamps = source(real("images") / "tuxpaint", "tuxpaint", TENTHS)
    assert sum(len(part) for part in stamps.splits.values()) == 3 * 108
    lion = [pair.text for part in stamps.splits.values() for pair in part if pair.image.endswith("/lion.png")]
    assert len(lion) == 3
    flags = source(real("images") / "flags", "flags", TENTHS, language="zh")
    assert sum(len(part) for part in flags.splits.values()) == 250
    assert sum(map(len, pictures(flags).values())) == 239
    alike = {pair.text for part in flags.splits.values() for pair in part if pair.image.endswith("/fr.png")}
    assert alike == {"法国", "法属圭亚那", "马提尼克"}
