"""Names in several languages and aliases: in the tables, in what a model reads, in questions and answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mkgc
from mkgc.data.formats import tsv
from mkgc.data.graph import Graph
from mkgc.data.settings import DataSettings
from mkgc.data.vocabulary import Vocabulary
from mkgc.errors import ConfigError, DataError
from mkgc.train import train
from tasks.link_prediction.source import LinkSource
from tests.conftest import said

ENTITIES = """id\tname:zh\tname:en\taliases\tdescription:en\tdescription:zh
panda\t大熊猫\tgiant panda\t猫熊 | panda bear\tA bear.\t一种熊
bamboo\t竹子\tbamboo\t\tA grass.\t
lion\t\tlion\tking
tiger\t老虎\t\tking
"""
RELATIONS = "id\tname\tname_zh\taliases\neats\teats\t吃\tfeeds on\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "entities.tsv").write_text(ENTITIES)
    (tmp_path / "relations.tsv").write_text(RELATIONS)
    rows = ["panda\teats\tbamboo", "lion\teats\ttiger", "tiger\teats\tlion"] * 2
    (tmp_path / "train.tsv").write_text("\n".join([*rows, "panda\teats\tlion"]))
    for split in ("dev", "test"):
        (tmp_path / f"{split}.tsv").write_text("panda\teats\tbamboo\n")
    return tmp_path


def test_a_table_says_what_things_are_called_in_which_language(root: Path) -> None:
    graph = tsv.read(root)
    assert graph.names == ("大熊猫", "竹子", "lion", "老虎"), "the first column that has one"
    assert graph.descriptions == ("A bear.", "A grass.", "", "")
    assert graph.labels.names == {
        "zh": ("大熊猫", "竹子", "", "老虎"),
        "en": ("giant panda", "bamboo", "lion", ""),
    }
    assert graph.labels.aliases == (("猫熊", "panda bear"), (), ("king",), ("king",))
    assert graph.relation_labels.names == {"default": ("eats",), "zh": ("吃",)}


@pytest.mark.parametrize(
    ("language", "names", "descriptions", "relation"),
    [
        ("en", ("giant panda", "bamboo", "lion", "老虎"), ("A bear.", "A grass.", "", ""), "eats"),
        ("zh", ("大熊猫", "竹子", "lion", "老虎"), ("一种熊", "A grass.", "", ""), "吃"),
    ],
)
def test_a_model_reads_one_language_as_far_as_there_is_text_in_it(
    root: Path, language: str, names: tuple[str, ...], descriptions: tuple[str, ...], relation: str
) -> None:
    graph = tsv.read(root).speaking(language)
    assert (graph.names, graph.descriptions, graph.relation_names) == (names, descriptions, (relation,))


def test_a_language_that_no_name_is_in_is_an_error(root: Path, kg_root: Path) -> None:
    with pytest.raises(ConfigError, match=r"^data.language=fr: the graph has names in zh, en, default$"):
        tsv.read(root).speaking("fr")
    (root / "entities.tsv").unlink()
    (root / "relations.tsv").unlink()
    with pytest.raises(ConfigError, match=r"^data.language=fr: the graph says of no name which language it is in$"):
        tsv.read(root).speaking("fr")
    with pytest.raises(ConfigError, match=r"^data.language=zh: format=kg has no languages; those of tsv, triples may$"):
        LinkSource(DataSettings(".", format="kg", language="zh"))


def test_labels_follow_their_entities_into_another_order(root: Path) -> None:
    graph = tsv.read(root)
    moved = graph.ordered(graph.entities[::-1], graph.relations)
    assert moved.labels.names["en"] == ("", "lion", "bamboo", "giant panda")
    assert moved.labels.aliases[-1] == ("猫熊", "panda bear")
    assert moved.synonyms() == graph.synonyms()[::-1]


def test_titles_may_stand_in_any_order_behind_the_ids(root: Path) -> None:
    (root / "entities.tsv").write_text("Entity_ID\tDescription\tLabel\npanda\tA bear.\tPanda\nbamboo\nlion\ntiger\n")
    graph: Graph = tsv.read(root)
    assert (graph.names[0], graph.descriptions[0]) == ("Panda", "A bear.")


@pytest.fixture
def trained(root: Path, tiny: Callable[..., Any]) -> Path:
    """A model that was trained on the English names."""
    keys = ("data=tsv", "data.language=en", "backbone=kge/complex", "task.epochs=1")
    train(tiny("link_prediction", root, *keys), root / "run")
    return root / "run/best.ckpt"


def test_records_use_any_name_and_answers_the_language_asked_for(trained: Path) -> None:
    named, relations = ("panda", "大熊猫", "giant panda", "猫熊", "panda bear"), ("eats", "吃", "feeds on")
    asked = [{"head": name, "relation": relation} for name in named for relation in relations]
    answers = mkgc.load(trained).predict(asked)
    assert all(answer["entities"] == answers[0]["entities"] for answer in answers)
    assert {one["name"] for one in answers[0]["entities"]} == {"giant panda", "bamboo", "lion", "老虎"}
    (other,) = mkgc.load(trained, language="zh").predict(asked[:1])
    assert {one["name"] for one in other["entities"]} == {"大熊猫", "竹子", "lion", "老虎"}
    assert [one["id"] for one in other["entities"]] == [one["id"] for one in answers[0]["entities"]]
    (pair,) = mkgc.load(trained, language="zh").predict([{"head": "猫熊", "tail": "竹子"}])
    assert [one["name"] for one in pair["relations"]] == ["吃"]


def test_an_alias_of_two_is_refused_and_a_name_counts_more_than_an_alias(trained: Path) -> None:
    model = mkgc.load(trained)
    with pytest.raises(DataError, match="the entity 'king' names 2 of them: give its id"):
        model.predict([{"head": "king", "relation": "eats"}])
    vocabulary = Vocabulary("entity", ["Q1", "Q2"], ["Georgia", "Tbilisi"], [(), ("Georgia",)])
    assert vocabulary.find("Georgia", "here") == 0


def test_the_command_answers_in_a_language(trained: Path, run: Callable[..., Any]) -> None:
    (trained.parent / "ask.jsonl").write_text('{"head": "大熊猫", "relation": "吃"}')
    files = f"checkpoint={trained}", f"input={trained.parent}/ask.jsonl", f"output={trained.parent}/said.jsonl"
    assert run("predict", *files, "language=zh")[0] == 0
    assert "竹子" in (trained.parent / "said.jsonl").read_text()
    code, _, err = run("predict", *files, "language=fr")
    assert (code, said(err)) == (2, "language=fr: the model knows names in zh, en, default")
