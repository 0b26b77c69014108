"""A corpus in shards is one sequence, whose lines are checked once and found by their places."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.corpus import Corpus, open_corpus
from mkgc.data.formats.shards import find_shards
from mkgc.errors import DataError


@dataclass(frozen=True)
class Line:
    tokens: tuple[str, ...]
    place: str


def parse(record: Any, folder: Path, place: str) -> Line:
    return Line(tuple(record["text"].split()), place)


def write(path: Path, texts: list[str], end: str = "\n") -> None:
    lines = "\n".join(json.dumps({"text": text}, ensure_ascii=False) if text else "" for text in texts)
    path.write_text(lines + end)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Corpus]:
    def open_it(workers: int = 0) -> Corpus:
        return open_corpus(tmp_path, "train", parse, tmp_path / "index", workers)

    return open_it


def texts(corpus: Corpus) -> list[str]:
    return [" ".join(one.tokens) for one in corpus[:]]


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_are_one_sequence_in_the_order_of_their_numbers(
    workers: int, opened: Callable[..., Corpus], tmp_path: Path
) -> None:
    write(tmp_path / "train-00001.jsonl", ["Ångström am Ende", "x"], end="")
    write(tmp_path / "train-00000.jsonl", ["北 京", "", "  a b c "])
    corpus = opened(workers)
    assert texts(corpus) == ["北 京", "a b c", "Ångström am Ende", "x"]
    assert corpus.lengths.tolist() == [2, 3, 3, 1]
    assert corpus[1].place == f"{tmp_path}/train-00000.jsonl:3"
    assert pickle.loads(pickle.dumps(corpus))[2] == corpus[2]


def test_an_index_is_made_once_and_again_when_a_file_has_changed(
    opened: Callable[..., Corpus], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.jsonl", ["one", "two"])
    first, again = opened(), opened()
    assert capsys.readouterr().out == "train: 2 sentences of 1 file checked in 0 s\n"
    assert again.digest == first.digest
    write(tmp_path / "train.jsonl", ["one", "two", "three"])
    assert texts(opened()) == ["one", "two", "three"]
    assert opened().digest != first.digest


def test_a_folder_that_cannot_be_written_to_costs_an_index_a_run(
    opened: Callable[..., Corpus], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.jsonl", ["one"])
    (tmp_path / "index").write_text("a file in its place")
    assert texts(opened()) == ["one"]
    assert "train: its index is not kept, and is made again by the next run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '{"text": "a"}\n{"text": "b',
            r"train\.jsonl:2: is not JSON: .*; the file ends within this line: was it copied",
        ),
        ('{"text": "a"}\n{"text": \n{"text": "b"}\n', r"train\.jsonl:2: is not JSON: Expecting value at column \d+$"),
        ('{"text": "a"}\n["b"]\n', r"train\.jsonl:2: must be a JSON object"),
        ('{"text": "a"}\n{"text": "\xff"}\n', r"train\.jsonl:2: byte 0xff at column \d+ is not UTF-8"),
        ("\n\n", r"train\.jsonl: is empty"),
        ("", r"train\.jsonl: is empty"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_file_and_line(
    content: str, said: str, opened: Callable[..., Corpus], tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=said):
        opened()


def test_a_file_that_is_cut_short_after_it_was_indexed_is_one_line(
    opened: Callable[..., Corpus], tmp_path: Path
) -> None:
    write(tmp_path / "train.jsonl", ["one", "two"])
    corpus = opened()
    whole = (tmp_path / "train.jsonl").read_bytes()
    (tmp_path / "train.jsonl").write_bytes(whole[:-4])
    with pytest.raises(DataError, match=r"train\.jsonl:2: is not JSON"):
        corpus[1]
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(DataError, match=r"train\.jsonl: cannot be read: No such file"):
        corpus[0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train-0.jsonl", "train-2.jsonl"], "part 1 of train is missing: there are train-0.jsonl to train-2.jsonl"),
        (["train-00000-of-00003.jsonl", "train-00001-of-00003.jsonl"], "part 2 of train is missing"),
        (["train-2.jsonl"], "part 1 of train is missing"),
        (["train-1.jsonl", "train-01.jsonl"], "part 2 of train is missing|part 1 is there twice"),
        (["train.jsonl", "train-0.jsonl"], "there are both train.jsonl and train-0.jsonl"),
        (["train-0.jsonl.gz"], r"no such file, lines of train-0.jsonl.gz are found by their place, so unpack it"),
        ([], "no such file"),
    ],
)
def test_a_missing_part_is_one_line(names: list[str], said: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=said):
        find_shards(tmp_path, "train")


def test_parts_may_count_from_one_and_dev_be_called_valid(tmp_path: Path) -> None:
    for name in ("train-1-of-2.jsonl", "train-2-of-2.jsonl", "valid-0.jsonl", "train-x.jsonl", "train-1.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_shards(tmp_path, "train")] == ["train-1-of-2.jsonl", "train-2-of-2.jsonl"]
    assert [path.name for path in find_shards(tmp_path, "dev")] == ["valid-0.jsonl"]
