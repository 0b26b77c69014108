"""Texts that images find, and the words by which a text and an image match."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mkgc.searching.encoder import Match
from mkgc.searching.index import ImageIndex
from mkgc.searching.searcher import Searcher
from tests.conftest import said
from tests.searching.conftest import NAMES, Colours, paint
from tests.searching.server import serving
from tests.searching.test_search import Run

POEMS = [
    {"title": "花", "author": "某", "lines": ["红花", "红叶"]},
    {"id": 7, "text": "绿水"},
    {"text": "蓝天 <b>"},
]


class Words(Colours):
    """An encoder that also says which names of colours in a text an image has."""

    def matched_words(self, text: str, images: np.ndarray) -> list[list[Match]]:
        rows: Sequence[np.ndarray] = list(images)
        return [
            [Match(zh, float(row[i])) for i, zh in enumerate(NAMES.values()) if zh in text and row[i] > 0.9]
            for row in rows
        ]


@pytest.fixture
def words(colours: Colours) -> Colours:
    """The encoder of every checkpoint, which now knows words, too."""
    colours.__class__ = Words
    return colours


@pytest.fixture
def poems(folder: Path) -> Path:
    file = folder.parent / "poems.jsonl"
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in POEMS), "utf-8")
    return file


def test_an_image_finds_texts_with_the_words_that_matched(run: Run, words: Colours, poems: Path) -> None:
    code, out, err = run("index", "checkpoint=run", "texts=poems.jsonl", "output=verses")
    assert (code, err) == (0, "")
    assert out.startswith("3 texts in verses (3 new, ")
    paint(poems.parent / "ask.png", (240, 10, 10))
    code, out, err = run("search", "index=verses", "image=ask.png", "top_k=2")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].endswith("花, 某: 红花红叶  [红]")
    assert "[" not in out.splitlines()[1]
    assert run("search", "index=verses", "image=ask.png", "output=answer.json")[1] == "3 texts into answer.json\n"
    best = json.loads((poems.parent / "answer.json").read_text())["results"][0]
    assert (best["name"], best["text"]) == ("花, 某", "红花\n红叶")
    assert [one["word"] for one in best["words"]] == ["红"]


def test_a_text_finds_texts_and_matches_no_word(run: Run, words: Colours, poems: Path) -> None:
    assert run("index", "checkpoint=run", "texts=poems.jsonl", "output=verses")[0] == 0
    code, out, _ = run("search", "index=verses", "text=green", "top_k=1")
    assert code == 0
    assert out.endswith("7: 绿水\n")


def test_a_text_finds_images_with_the_words_that_matched(run: Run, words: Colours, indexed: Path) -> None:
    out = run("search", "index=found", "text=一片红色", "top_k=3")[1].splitlines()
    assert [line.endswith("  [红]") for line in out] == [True, True, False]


def test_the_page_shows_texts_as_they_are_and_their_words(words: Colours, poems: Path, run: Run) -> None:
    assert run("index", "checkpoint=run", "texts=poems.jsonl", "output=verses")[0] == 0
    with serving(Searcher(ImageIndex(poems.parent / "verses"), words, poems)) as server:
        image = paint(poems.parent / "ask.png", (10, 10, 240)).read_bytes()
        answer = server.post("/api/search/image?top_k=1", files={"image": image}).json()["results"][0]
        assert answer["text"] == "蓝天 <b>"
        assert [one["word"] for one in answer["words"]] == ["蓝"]
        page = server.post("/?lang=en", files={"image": ("ask.png", image)}).text
        assert "by the words 蓝" in page
        assert "蓝天 &lt;b&gt;" in page
        assert "texts: 3" in page
        assert server.get("/images/0").status_code == 404


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("", "poems.jsonl: is empty"),
        ('{"title": "a"}\n', "poems.jsonl:1: a record has its 'text', or its 'lines', a list of texts"),
        ('{"lines": [1]}\n', "poems.jsonl:1: a record has its 'text', or its 'lines', a list of texts"),
        ('{"text": " "}\n', "poems.jsonl:1: the text has nothing to be seen"),
    ],
)
def test_texts_that_are_none_are_named(run: Run, words: Colours, poems: Path, lines: str, line: str) -> None:
    poems.write_text(lines)
    code, _, err = run("index", "checkpoint=run", "texts=poems.jsonl", "output=verses")
    assert code == 2
    assert line in said(err)


def test_what_is_for_images_alone_is_refused(run: Run, words: Colours, poems: Path) -> None:
    assert run("index", "checkpoint=run", "texts=poems.jsonl", "output=verses")[0] == 0
    asked = ("search", "index=verses", "text=red")
    assert "a sheet shows images" in said(run(*asked, "sheet=a.png")[2])
    assert "this is an index of texts" in said(run(*asked, "images=images")[2])
    both = run("index", "checkpoint=run", "texts=poems.jsonl", "images=images", "output=x")
    assert "images and texts are two different things" in said(both[2])
    assert "give images=DIR, or texts=FILE.jsonl" in said(run("index", "checkpoint=run", "output=x")[2])
    other = run("index", "checkpoint=other", "texts=poems.jsonl", "output=verses")
    assert "was made with the checkpoint" in said(other[2])
