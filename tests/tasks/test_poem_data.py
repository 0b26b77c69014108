"""Poems out of people's own records and chinese-poetry's files."""

import json
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from tasks.poetry_pretraining.example import parse_poem
from tasks.poetry_pretraining.source import PoemSource

SPLIT = {"dev": 0.1, "test": 0.1, "seed": 0}


def read(root: Path, form: str, **settings: Any) -> PoemSource:
    drawn = {} if form == "jsonl" else {"split": SPLIT}
    return PoemSource(DataSettings(str(root), format=form, **{"language": "zh-Hans", **drawn, **settings}))


def sizes(source: PoemSource) -> dict[str, int]:
    return {split: len(part) for split, part in source.splits.items()}


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), "utf-8")
    return path.parent


def poems(count: int, key: str = "paragraphs") -> list[dict[str, Any]]:
    return [{"title": f"题{chr(0x4E00 + n)}", key: [f"白日{chr(0x5000 + n)}。"]} for n in range(count)]


@pytest.fixture(scope="session")
def chinese_poetry(real: Any) -> Path:
    return Path(real("poetry")) / "chinese-poetry"


def test_all_real_files_are_read_and_no_poem_twice(chinese_poetry: Path) -> None:
    """Of 3,153 poems in seven files, whose titles and lines are called differently; two other files have none."""
    source = read(chinese_poetry, "chinese_poetry")
    assert sizes(source) == {"train": 2428, "dev": 304, "test": 304}
    said = [note.text for note in source.notes]
    assert "117 of 3,153 poems repeat the words of another" in said[1]
    assert "2 of 9 JSON files have no poems" in said[0]


def test_the_three_anthologies_are_found_by_name(chinese_poetry: Path) -> None:
    source = read(chinese_poetry, "chinese_poetry_anthologies")
    assert sum(sizes(source).values()) == 935
    titles = {poem.title: poem for part in source.splits.values() for poem in part}
    assert titles["关雎"].author == ""
    assert titles["登幽州台歌"].author == "陈子昂"
    assert titles["登幽州台歌"].text == "登幽州台歌|前不见古人，后不见来者。念天地之悠悠，独怆然而涕下。"


def test_splits_are_the_same_in_either_script_and_as_written(chinese_poetry: Path) -> None:
    found = [read(chinese_poetry, "chinese_poetry_anthologies", language=one) for one in ("zh-Hans", "zh-Hant", None)]
    letters = [{split: [poem.letters for poem in part] for split, part in one.splits.items()} for one in found]
    assert letters[0] == letters[1] == letters[2]
    hant = next(poem for part in found[1].splits.values() for poem in part if poem.title == "登幽州臺歌")
    assert hant.lines[0] == "前不見古人，後不見來者。"


def test_pkg_berts_own_file_is_read(real: Any) -> None:
    source = read(Path(real("poetry")) / "pkg_bert" / "datasets", "pkg_bert")
    assert sizes(source) == {"train": 11, "dev": 2, "test": 2}


def test_ones_own_poems_with_ones_own_splits(tmp_path: Path) -> None:
    lines = [{"id": 7, "title": "静夜思", "author": "李白", "text": "床前明月光，\n疑是地上霜。"}]
    for split in ("train", "dev", "test"):
        write(tmp_path / f"{split}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    [poem] = read(tmp_path, "jsonl").splits["train"]
    assert (poem.id, poem.title, poem.author) == ("7", "静夜思", "李白")
    assert poem.text == "静夜思|床前明月光，疑是地上霜。"


def test_chapters_within_a_content_are_read(tmp_path: Path) -> None:
    """As in chinese-poetry's primers, where a `content` is a list of kinds, and each has a `content` of poems."""
    book = {"title": "唐诗三百首", "content": [{"type": "五言绝句", "content": poems(10)}]}
    source = read(write(tmp_path / "book.json", book), "chinese_poetry")
    assert sum(sizes(source).values()) == 10


def test_poems_without_a_line_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "song.json", [*poems(10), {"rhythmic": "失调名", "paragraphs": []}])
    source = read(root, "chinese_poetry")
    assert "1 poem without a line left out" in source.notes[0].text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([{"name": "李白", "desc": "…"}], "none of 1 JSON files has poems: lists of records whose lines are"),
        ([*poems(3), {"title": "无"}], "record 4: has no lines"),
        ([*poems(3), "白日"], "record 4: must be a JSON object"),
        ("[{]", "is not JSON"),
        ("", "is empty"),
        ([{"title": "题", "paragraphs": [1]}], "'lines' must be a list of texts"),
        ([{"title": ["题"], "paragraphs": ["白日"]}], "'title' must be text"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_of_a_wrong_layout_is_refused(tmp_path: Path, value: Any, said: str) -> None:
    root = write(tmp_path / "poems.json", value)
    with pytest.raises(DataError, match=said):
        read(root, "chinese_poetry")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"title": "题"}, "give one of 'text' and 'lines'"),
        ({"text": "白日", "lines": ["白日"]}, "give one of 'text' and 'lines'"),
        ({"text": " \n"}, "the poem has no characters"),
        ({"lines": []}, "the poem has no characters"),
        ({"text": ["白日"]}, "'text' must be text"),
        ({"text": "白日", "paragraphs": ["白日"]}, "no such key: 'paragraphs'"),
    ],
)
def test_a_record_that_is_no_poem_is_refused(record: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_poem(record, "poems.jsonl:1")


def test_an_empty_file_of_poems_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "poems.jsonl", "")
    with pytest.raises(DataError, match=r"poems\.jsonl: is empty"):
        read(root, "poems")


def test_too_few_poems_to_split_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "poems.jsonl", '{"text": "白日依山尽"}\n')
    with pytest.raises(DataError, match="no poem of 1 is left for"):
        read(root, "poems")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"language": "zh"}, r"data\.language=zh: choose zh-Hans or zh-Hant"),
        ({"shots": 3}, "poems have no classes"),
    ],
)
def test_settings_that_poems_have_not_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    root = write(tmp_path / "poems.jsonl", '{"text": "白日依山尽"}\n')
    with pytest.raises(ConfigError, match=said):
        read(root, "poems", **settings)


def test_a_poem_of_one_character_and_one_of_ten_thousand_are_read() -> None:
    assert parse_poem({"text": "月"}, "x").text == "月"
    assert len(parse_poem({"text": "月" * 10_000}, "x").tokens) == 10_000
