"""Graphs of words: made of texts and pictures with keywords, and read from their folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from mkgc.data.formats.word_graphs import read_word_graph
from mkgc.data.word_graph_settings import WordGraphSettings
from mkgc.errors import ConfigError, DataError
from mkgc.inspect.word_graph_checks import inspect_word_graph
from mkgc.searching.searcher import Hit, Searcher
from mkgc.word_graphs import building
from mkgc.word_graphs.building import build_word_graph
from mkgc.word_graphs.counting import count_words
from mkgc.word_graphs.nearest import nearest_images
from mkgc.word_graphs.recipe import WordGraphRecipe
from tasks.poetry_pretraining import atlas

TEXTS = ["明月，青山，", "有明月，大江", "青山对明月", "春风吹江水", "江水绿"]

PICTURES = [
    {"image": "moon.png", "name": "满月", "keywords": ["月", "夜"]},
    {"image": "hill.png", "name": "山", "keywords": ["青山", "绿"]},
    {"image": "hills.png", "name": "山", "keywords": ["青山"]},
    {"image": "wave.png", "keywords": ["江水", "江", "绿"]},
]


def made(root: Path, pictures: Sequence[dict[str, Any]] = PICTURES, **settings: Any) -> dict[str, Any]:
    root.mkdir(exist_ok=True)
    (root / "pictures.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pictures), "utf-8")
    recipe = WordGraphRecipe(str(root / "graph"), str(root / "pictures.jsonl"), **settings)
    return build_word_graph(recipe, TEXTS, "zh-Hans")


def read(root: Path, **settings: int) -> Any:
    return read_word_graph(WordGraphSettings(str(root / "graph"), **settings))


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "graph").iterdir())}


def test_a_graph_has_frequent_words_with_their_keywords_and_images(tmp_path: Path) -> None:
    about = made(tmp_path)
    graph = read(tmp_path)
    assert graph.words[:3] == ("明月", "江水", "青山")
    assert graph.neighbours("明月") == ("月",)
    assert graph.neighbours("青山") == ("山", "绿")
    assert [Path(graph.files[row]).name for row in graph.image_rows("青山")] == ["hills.png", "hill.png"]
    assert "春风" not in graph.words
    counts = about["counts"]
    assert counts["words of texts"] + counts["words that are neighbours alone"] == len(graph.words)
    assert counts["edges from words to images"] == len(graph.images.ends)
    assert counts["nodes"] == len(graph.words) + len(graph.files)


def test_a_word_within_keywords_has_those_with_most_pictures_first(tmp_path: Path) -> None:
    pictures = [{"image": f"{n}.png", "keywords": [word]} for n, word in enumerate(["明月", "月饼", "明月"])]
    (tmp_path / "pictures.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pictures), "utf-8")
    recipe = WordGraphRecipe(str(tmp_path / "graph"), str(tmp_path / "pictures.jsonl"), min_count=1)
    build_word_graph(recipe, ["月，山"], None)
    assert read(tmp_path).neighbours("月") == ("明月", "月饼")


def test_the_same_is_made_twice_and_what_is_there_is_kept(tmp_path: Path) -> None:
    assert made(tmp_path / "one")["new"]
    assert made(tmp_path / "two", list(PICTURES))["new"]
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert not made(tmp_path / "one")["new"]
    assert made(tmp_path / "one", min_count=1)["new"]
    assert files(tmp_path / "one") != files(tmp_path / "two")


def test_a_killed_run_goes_on_and_leaves_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "whole")
    monkeypatch.setattr(building, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "killed")
    with pytest.raises(DataError, match="is not finished"):
        read(tmp_path / "killed")
    monkeypatch.undo()
    assert made(tmp_path / "killed")["new"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_held_out_keywords_are_nowhere_and_drawn_by_the_seed(tmp_path: Path) -> None:
    about = made(tmp_path / "one", held_out=0.5, min_count=1)
    held = {*about["held_out"]}
    assert len(held) == 4
    assert held.isdisjoint(read(tmp_path / "one").words)
    assert {*made(tmp_path / "two", held_out=0.5, min_count=1)["held_out"]} == held
    assert {*made(tmp_path / "three", held_out=0.5, min_count=1, seed=1)["held_out"]} != held


def test_sememes_are_neighbours_by_their_weights(tmp_path: Path) -> None:
    table = tmp_path / "sememes.tsv"
    table.write_text("明月\t天象\t0.4\n明月\t团圆\t2\n明月\t夜晚\n", "utf-8")
    build_word_graph(WordGraphRecipe(str(tmp_path / "graph"), sememes=str(table)), TEXTS, None)
    assert read(tmp_path, max_neighbours=3).neighbours("明月") == ("团圆", "夜晚", "天象")
    table.write_text("明月\n", "utf-8")
    with pytest.raises(DataError, match=r"sememes\.tsv:1: a line is a word, its sememe"):
        build_word_graph(WordGraphRecipe(str(tmp_path / "graph"), sememes=str(table)), TEXTS, None)


def test_a_dictionary_cuts_texts_into_its_longest_words() -> None:
    counts = count_words(["明月照江水"], ["月", "明月", "江", "照"], "dictionary")
    assert counts == {"明月": 1, "照": 1, "江": 1}


class _Encoder:
    """A model by its digest alone."""

    digest, image_size, fit = "model", 8, "stretch"

    def embed_texts(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError

    embed_images = embed_texts


class _Found(Searcher):
    """Finds two images of each word, of equal similarity, and stops where it is told to."""

    def __init__(self, stops: int) -> None:
        self.left, self.names, self.encoder = stops, ["b.png", "a.png"], _Encoder()

    def path(self, number: int) -> Path:
        return Path("/images") / self.names[number]

    def by_texts(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        if self.left < 1:
            raise KeyboardInterrupt
        self.left -= 1
        return [[Hit(0, "b.png", 0.5), Hit(1, "a.png", 0.5)] for _ in texts]


def test_images_by_similarity_go_by_name_where_it_is_equal_and_on_where_it_was_killed(tmp_path: Path) -> None:
    words, kept = [f"词{n}" for n in range(150)], tmp_path / "nearest.jsonl"
    known: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        nearest_images(_Found(2), words, 2, kept, known.append)
    with kept.open("a", encoding="utf-8") as file:
        file.write('["词149", [["/images/to')
    again: list[int] = []
    found = nearest_images(_Found(1), words, 2, kept, again.append)
    assert again == [128, 22]
    assert [*found] == words
    assert found["词0"] == found["词149"] == [("/images/a.png", 0.5), ("/images/b.png", 0.5)]


def test_the_embedded_poems_have_a_graph_with_images(tmp_path: Path) -> None:
    atlas.write(tmp_path / "one", Random("0/poems"))
    atlas.write(tmp_path / "two", Random("0/poems"))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    graph = read(tmp_path / "one")
    assert graph.neighbours("月") == ("明月", "夜")
    assert all(Path(file).is_file() for file in graph.files)
    assert len(graph.image_rows("月")) == 4


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., None]:
    """A graph with other lines in one of its files."""
    made(tmp_path)

    def write(name: str, *lines: str) -> None:
        (tmp_path / "graph" / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")

    return write


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("words.tsv", ["明月\t1"], r"words\.tsv:1: its first line must be id, word, count, between tabs"),
        ("words.tsv", ["id\tword\tcount", "0\t明月"], r"words\.tsv:2: 2 columns instead of 3"),
        ("words.tsv", ["id\tword\tcount", "0\t明月\tmany"], "the count 'many' is no whole number"),
        ("words.tsv", ["id\tword\tcount", "0\t\t1"], "the word is empty"),
        ("words.tsv", ["id\tword\tcount", "0\t明月\t1", "1\t明月\t1"], r":3: the word '明月' stands there twice"),
        ("edges.tsv", ["word\tneighbour\tweight\tkind", "明月\t星\t1\tx"], "'星' is no word of words.tsv"),
        ("edges.tsv", ["word\tneighbour\tweight\tkind", "明月\t月\tinf\tx"], "the weight 'inf' is no number"),
        ("images.tsv", ["word\timage\tweight", "星\ta.png\t1"], "'星' is no word of words.tsv"),
    ],
)
def test_a_malformed_graph_is_refused(
    tmp_path: Path, broken: Callable[..., None], name: str, lines: list[str], said: str
) -> None:
    broken(name, *lines)
    with pytest.raises(DataError, match=said):
        read(tmp_path)


def test_a_graph_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.word_graph\.root=.*there is no such folder"):
        read(tmp_path)
    made(tmp_path)
    (tmp_path / "graph" / "edges.tsv").unlink()
    with pytest.raises(DataError, match=r"edges\.tsv: no such file, and a graph of words needs it"):
        read(tmp_path)


def test_a_graph_whose_images_are_missing_is_read_and_said(tmp_path: Path) -> None:
    made(tmp_path)
    section = inspect_word_graph(read(tmp_path), {"train": TEXTS, "dev": ["白日"]})
    said = [finding.text for finding in section.findings]
    assert said[0] == "no text of dev has a word of the graph"
    assert said[1].startswith("4 of the graph's 4 images are not there, as ")


@pytest.mark.parametrize(
    ("pictures", "settings", "said"),
    [
        ([{"image": "a.png"}], {}, "no picture has a keyword under 'name' or 'keywords'"),
        ([{"keywords": ["月"]}], {}, "the key 'image' is missing"),
        ([{"image": ["a.png", "b.png"], "name": "月"}], {}, "'image' must be one file, not 2"),
        ([{"image": "a.png", "keywords": "月"}], {"min_count": 9}, "no word stands 9 times or more in 5 texts"),
        ([{"image": "a.png", "keywords": [1]}], {}, "'keywords' must be a list of words"),
    ],
)
def test_pictures_that_make_no_graph_are_refused(
    tmp_path: Path, pictures: list[dict[str, Any]], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        made(tmp_path, pictures, **settings)


def test_a_recipe_needs_something_to_make_a_graph_of(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"give graph\.pictures=FILE\.jsonl"):
        WordGraphRecipe(str(tmp_path))
    with pytest.raises(ConfigError, match=r"data\.word_graph\.max_neighbours=-1 must be at least 0"):
        WordGraphSettings("", max_neighbours=-1)


@pytest.mark.parametrize("form", ["chinese_poetry_anthologies"])
def test_real_poems_and_pictures_make_a_graph_of_these_sizes(
    real: Callable[[str], Path], tmp_path: Path, form: str
) -> None:
    """Tang 300, Song 300 and Shijing with emoji_zh: the counts that docs/poetry.md shows."""
    from mkgc.data.settings import DataSettings
    from tasks.poetry_pretraining.source import PoemSource

    split = {"dev": 0.1, "test": 0.1, "seed": 0}
    settings = DataSettings(str(real("poetry") / "chinese-poetry"), format=form, split=split, language="zh-Hans")
    texts = ["".join(poem.tokens) for poem in PoemSource(settings).splits["train"]]
    recipe = WordGraphRecipe(str(tmp_path), str(real("emoji_zh") / "emoji.jsonl"), ["zh", "zh_keywords"])
    counts = build_word_graph(recipe, texts, "zh-Hans")["counts"]
    assert (counts["words of texts"], counts["words with an image"], counts["images"]) == (2067, 2570, 1242)
    graph = read_word_graph(WordGraphSettings(str(tmp_path), max_neighbours=1))
    assert graph.neighbours("月") == ("月亮",)
    assert np.isclose(graph.edges.weights[graph.edges.offsets[graph.numbers["月"]]], 0.321429)
