"""The Atlas as text with links: sentences of whose pairs the graph alone says how they are related."""

import json
import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mkgc.data.atlas.facts import countries
from mkgc.data.atlas.linked import LANGUAGES, RELATIONS, linked_world
from mkgc.data.atlas.linked_pairs import ANSWERS, COUNTS, TEMPLATES, WITH_OTHERS, split_entities
from mkgc.data.atlas.linked_text import fill, join
from mkgc.data.formats import tsv
from tasks.entity_typing import atlas as typing_atlas
from tasks.knowledge_pretraining import atlas as corpus_atlas
from tasks.relation_classification import atlas as relations_atlas

Rows = list[dict[str, Any]]
GIVING_AWAY = re.compile(
    "official|language|spea?k|border|neighbour|currency|money|pay|capital|官方|语言|接壤|边|邻|货币|钱|首都|属于"
)


@cache
def atlas_countries() -> Any:
    return countries()


@cache
def world() -> Any:
    return linked_world(atlas_countries())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("linked")
    for name, writer in (("corpus", corpus_atlas), ("types", typing_atlas), ("relations", relations_atlas)):
        writer.write(root / name, atlas_countries(), Random(0))
    return {path.name: path for path in root.iterdir()}


def rows(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def triples(folder: Path) -> dict[tuple[str, str], str]:
    cells = (line.split("\t") for line in (folder / "graph" / "triples.tsv").read_text(encoding="utf-8").splitlines())
    return {(head, tail): relation for head, relation, tail in cells}


def at(row: dict[str, Any], key: str) -> str:
    """The id of the linked mention that a key of a row points at."""
    return next(link["id"] for link in row["entities"] if link["char"] == row[key]["char"])


def test_the_graph_has_what_cldr_says_of_languages_and_money() -> None:
    facts = world().relations
    assert facts["country/CH", "language/it"] == ("official_language",)
    assert facts["country/CH", "language/rm"] == ("regional_language",)
    assert facts["country/DE", "currency/EUR"] == ("currency",)
    assert facts["country/DE", "currency/DEM"] == ("former_currency",)
    assert facts["country/FR", "country/DE"] == ("borders",) == facts["country/DE", "country/FR"]
    assert world().entities["city/Paris"].names == {"en": "Paris", "zh": "巴黎"}
    assert {relation for found in facts.values() for relation in found} == RELATIONS.keys()


@pytest.mark.slow
def test_the_graph_is_read_as_peoples_own_with_names_in_both_languages(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        graph = tsv.read_one(folder / "graph")
        assert (len(graph.entities), len(graph.relations)) == (len(world().entities), len(RELATIONS))
        assert sum(map(len, graph.triples.values())) == sum(map(len, world().relations.values()))
        place = graph.entities.index("country/CN")
        assert graph.names[place] == "China"
        assert graph.labels.names["zh"][place] == "中国"


def test_each_link_stands_where_a_name_of_its_entity_does(folders: dict[str, Path]) -> None:
    for path in (path for folder in folders.values() for path in folder.glob("*.jsonl")):
        for row in rows(path):
            for link in row["entities"]:
                assert row["text"][slice(*link["char"])] in world().entities[link["id"]].names.values()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_template_gives_its_answer_away(language: str) -> None:
    for slots, templates in (({"h", "t"}, TEMPLATES[language]), ({"h", "t", "x"}, WITH_OTHERS[language])):
        for template in templates:
            assert set(re.findall(r"\{(\w)\}", template)) == slots
            assert not GIVING_AWAY.search(template)


def test_relations_are_those_of_the_graph_and_none_where_it_has_none(folders: dict[str, Path]) -> None:
    folder = folders["relations"]
    facts = triples(folder)
    for split, count in COUNTS.items():
        read = rows(folder / f"{split}.jsonl")
        assert len(read) == count
        assert all(row["relation"] == facts.get((at(row, "head"), at(row, "tail")), "NA") for row in read)
        labels = Counter(row["relation"] for row in read)
        assert labels.keys() == {"NA", *(answer for answers in ANSWERS.values() for answer in answers if answer)}
        assert min(labels.values()) >= 0.8 * count / 11


def test_types_are_as_fine_as_the_graph_knows(folders: dict[str, Path]) -> None:
    facts = triples(folders["types"])
    for row in rows(folders["types"] / "test.jsonl"):
        mention = at(row, "mention")
        kinds = [typing_atlas.COARSE[mention.partition("/")[0]]]
        linked = {facts.get((other["id"], mention)) for other in row["entities"]} - {None}
        assert row["types"][:1] == kinds
        if len(row["types"]) == 2:
            assert {typing_atlas.FINE[relation] for relation in linked} >= {*row["types"][1:]}


def test_no_name_of_dev_or_test_is_seen_in_train(folders: dict[str, Path]) -> None:
    for name in ("types", "relations"):
        named = {
            split: {
                row["text"][slice(*link["char"])]
                for row in rows(folders[name] / f"{split}.jsonl")
                for link in row["entities"]
            }
            for split in COUNTS
        }
        for one, other in combinations(named.values(), 2):
            assert not one & other


def test_the_sentence_is_in_each_language_and_often_names_something_else(folders: dict[str, Path]) -> None:
    read = rows(folders["relations"] / "train.jsonl")
    chinese = sum(re.search("[一-鿿]", row["text"]) is not None for row in read)
    assert 0.3 < chinese / len(read) < 0.6
    assert 0.4 < sum(len(row["entities"]) == 3 for row in read) / len(read) < 0.6


def test_the_corpus_tells_nothing_that_dev_and_test_ask_about(folders: dict[str, Path]) -> None:
    splits, facts = split_entities(world(), atlas_countries()), triples(folders["corpus"])
    stated = Counter[str]()
    for path in folders["corpus"].glob("*.jsonl"):
        for row in rows(path):
            for head, tail in ((a["id"], b["id"]) for a in row["entities"] for b in row["entities"]):
                relation = facts.get((head, tail), "")
                stated[relation] += 1
                if relation and relation not in corpus_atlas.PLACES:
                    assert {splits.get(head), splits.get(tail)} <= {"train", None}
    assert stated.keys() >= RELATIONS.keys()


def test_the_corpus_lies_in_shards(folders: dict[str, Path]) -> None:
    sizes = {path.name: len(rows(path)) for path in folders["corpus"].glob("*.jsonl")}
    assert sizes == {"train-00000.jsonl": 2000, "train-00001.jsonl": 2000, "dev.jsonl": 300, "test.jsonl": 300}


def test_a_seed_means_the_same_texts() -> None:
    first, again, other = (
        [one.text for one in corpus_atlas.texts(world(), atlas_countries(), 20, Random(seed))] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_places_count_the_characters_of_the_whole_text() -> None:
    ada = world().entities["country/IT"]
    both = join([fill("{h}!", {"h": ada}, "en"), fill("在{h}。", {"h": ada}, "zh")], " ")
    assert both.text == "Italy! 在意大利。"
    assert [both.text[slice(*place)] for place, _ in both.entities] == ["Italy", "意大利"]
