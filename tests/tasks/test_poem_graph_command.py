"""`mkgc.prepare graph=poetry` and `mkgc.check`, of one's own poems and pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.formats.word_graphs import read_word_graph
from mkgc.data.word_graph_settings import WordGraphSettings
from tests.conftest import TINY, said

Run = Callable[..., Any]
POEMS = [{"title": f"山{n}", "text": f"明月，青山，第{chr(0x4E00 + n)}首。"} for n in range(20)]
PICTURES = [{"image": "moon.png", "keywords": ["月", "明月"]}, {"image": "hill.png", "keywords": ["青山", "绿"]}]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for name, records in (("poems", POEMS), ("pictures", PICTURES)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    return tmp_path


def prepared(run: Run, root: Path, *more: str) -> Any:
    return run("prepare", "graph=poetry", "data=poems", f"data.root={root}", *more)


def test_the_command_makes_a_graph_and_prints_its_sizes(own: Path, run: Run) -> None:
    code, out, _ = prepared(run, own)
    assert code == 0
    assert "| edges from words to keywords | 2 |" in out
    assert f"the graph of words of 16 texts of train written to {own}/graph" in out
    graph = read_word_graph(WordGraphSettings(str(own / "graph")))
    assert graph.neighbours("明月") == ("月",)
    assert "was made of the same before, and is kept in" in prepared(run, own)[1]


def test_a_graph_without_a_usable_image_is_checked_and_said(own: Path, run: Run) -> None:
    prepared(run, own)
    code, out, _ = run(
        "check", "task=poetry_pretraining", "data=poems", f"data.root={own}", *TINY, f"output={own}/report"
    )
    out = " ".join(out.split())
    assert code == 0
    assert "2 of the graph's 2 images are not there, as" in out


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["graph.pictures=null"], "give graph.pictures=FILE.jsonl (images with keywords)"),
        (["graph.pictures=none.jsonl"], "none.jsonl: no such file: graph.pictures says where it is"),
        (["graph.held_out=1"], "graph.held_out=1: must be a number of at least 0 and below 1"),
        (["graph.segmenter=x"], "graph.segmenter=x: must be one of jieba, dictionary"),
        (["graph.min_count=99"], "no word stands 99 times or more in 16 texts and has a neighbour or an image"),
        (["subset_seeds=2"], "subset_seeds and graph are two different things: give one"),
        (["data.word_graph.max_images=0"], "data.word_graph.max_images=0 must be at least 1"),
    ],
)
def test_a_wrong_word_is_one_line(own: Path, run: Run, keys: list[str], expected: str) -> None:
    code, _, err = prepared(run, own, *keys)
    assert code == 2
    assert expected in said(err)


def test_other_tasks_read_no_graph_of_words(own: Path, run: Run) -> None:
    code, _, err = run("check", "task=mre", "data=poems", f"data.root={own}", "data.language=null", "data.split=null")
    assert code == 2
    assert said(err) == "data.word_graph: this task reads no graph of words: leave it out"


def test_an_empty_file_of_poems_is_one_line(own: Path, run: Run) -> None:
    (own / "poems.jsonl").write_text("")
    code, _, err = prepared(run, own)
    assert code == 2
    assert said(err) == f"{own}/poems.jsonl: is empty"
