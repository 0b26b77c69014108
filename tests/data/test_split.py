"""A graph in one file: which triples become dev and test."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.data.formats import tsv
from mkgc.data.graph import Graph
from mkgc.data.graph_source import GraphSource
from mkgc.data.settings import DataSettings
from mkgc.data.split import WHOLE, split_graph
from mkgc.errors import ConfigError, DataError
from tests.conftest import TINY, said

SPLIT = {"dev": 0.1, "test": 0.1, "seed": 0}


def lines(entities: int = 40, count: int = 400) -> list[str]:
    draw = random.Random(0)
    pairs = ([f"e{draw.randrange(entities)}", draw.choice(["near", "likes", "eats"])] for _ in range(count))
    return ["\t".join((head, relation, f"e{draw.randrange(entities)}")) for head, relation in pairs]


def graph(root: Path, rows: list[str]) -> Graph:
    (root / "triples.tsv").write_text("".join(f"{row}\n" for row in rows))
    return tsv.read_one(root)


def parts(graph: Graph) -> dict[str, set[str]]:
    names = graph.entities, graph.relations, graph.entities
    return {
        split: {"\t".join(names[i][part] for i, part in enumerate(triple)) for triple in triples.tolist()}
        for split, triples in graph.triples.items()
    }


def pairs(triples: Any) -> set[tuple[int, ...]]:
    return {tuple(sorted(pair)) for pair in triples[:, ::2].tolist()}


def test_shares_are_those_asked_for_and_nothing_is_lost(tmp_path: Path) -> None:
    whole = graph(tmp_path, lines())
    split = split_graph(whole, SPLIT | {"dev": 0.2})
    assert [*split.triples] == ["train", "dev", "test"]
    assert [len(rows) for rows in split.triples.values()] == [280, 80, 40]
    rows = np.concatenate([*split.triples.values()]).tolist()
    assert sorted(rows) == sorted(whole.triples[WHOLE].tolist())
    assert split.notes[-1].text == "triples split with seed 0: train 280, dev 80, test 40"


def test_triples_of_the_same_two_entities_are_in_one_split_whichever_way_they_go(tmp_path: Path) -> None:
    split = split_graph(graph(tmp_path, lines()), SPLIT)
    train, dev, test = (pairs(rows) for rows in split.triples.values())
    assert [train & dev, train & test, dev & test] == [set()] * 3
    assert len(pairs(np.concatenate([*split.triples.values()]))) < 400, "some pairs have several triples"


def test_what_dev_and_test_name_is_seen_in_train(tmp_path: Path) -> None:
    split = split_graph(graph(tmp_path, [*lines(150), "e1\trare\te2", "only\tnear\te3"]), SPLIT)
    train = split.triples["train"]
    for name in ("dev", "test"):
        assert np.isin(split.triples[name][:, ::2], train[:, ::2]).all()
        assert np.isin(split.triples[name][:, 1], train[:, 1]).all()


def test_the_split_depends_on_seed_and_ids_alone(tmp_path: Path) -> None:
    rows = lines()
    first = parts(split_graph(graph(tmp_path, rows), SPLIT))
    shuffled = random.Random(1).sample(rows, len(rows))
    assert parts(split_graph(graph(tmp_path, shuffled), SPLIT)) == first
    assert parts(split_graph(graph(tmp_path, rows), SPLIT | {"seed": 1})) != first
    grown = parts(split_graph(graph(tmp_path, [*rows, "new\tnear\te1"]), SPLIT))
    assert len(grown["test"] & first["test"]) > 0.9 * len(first["test"])


def test_the_split_is_the_same_on_every_machine(tmp_path: Path) -> None:
    rows = [f"{a}\tnear\t{b}" for a in "abcde" for b in "abcde" if a < b]
    assert {name: sorted(part) for name, part in parts(split_graph(graph(tmp_path, rows), SPLIT)).items()} == {
        "train": [row for row in rows if row not in ("c\tnear\td", "c\tnear\te")],
        "dev": ["c\tnear\td"],
        "test": ["c\tnear\te"],
    }


def test_a_graph_of_which_nothing_can_be_spared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no triple of 3 can go into test: each entity and relation keeps one in train"):
        split_graph(graph(tmp_path, ["a\tr\tb", "c\tr\td", "e\tr\tf"]), {"dev": 0.4, "test": 0.4, "seed": 0})


def test_a_split_that_is_smaller_than_asked_for_says_so(tmp_path: Path) -> None:
    chains = [f"a{i}\tr\tb{i}" for i in range(90)] + [f"c{i % 5}\tr\tc{(i * i) % 5 + 1}" for i in range(30)]
    notes = split_graph(graph(tmp_path, chains), SPLIT).notes
    assert any("instead of 12: of each entity and relation, train keeps one" in note.text for note in notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "tsv"}, "data.split: format=tsv has splits of its own; it is for triples"),
        ({"split": None}, "data.split=null: format=triples is one set, and needs it"),
        ({"split": {"dev": 0.1, "seed": 0}}, "give dev, test and seed"),
        ({"split": SPLIT | {"dev": 0.9}}, "shares above 0 that leave something to train"),
        ({"split": SPLIT | {"test": 0}}, "shares above 0 that leave something to train"),
        ({"split": SPLIT | {"seed": 0.5}}, "data.split.seed=0.5 must be a whole number"),
    ],
)
def test_settings_that_split_nothing_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        GraphSource(DataSettings(".", **{"format": "triples", "split": SPLIT, **changes}))
    assert reason in str(error.value)


@pytest.mark.parametrize("sign", [",", ";"])
def test_spreadsheets_are_read(tmp_path: Path, sign: str) -> None:
    rows = [("Head", "Relation", "Tail"), ("ada", "knows", "bob"), ('"Paris, France"', "near", "bob")]
    (tmp_path / "triples.csv").write_text("".join(f"{sign.join(row)}\r\n" for row in rows))
    (tmp_path / "entities.csv").write_text(
        f'id{sign}description\nada{sign}"said ""no""{sign} twice"\nbob\n"Paris, France"\n'
    )
    read = tsv.read_one(tmp_path)
    assert read.entities == ("ada", "bob", "Paris, France")
    assert read.descriptions[0] == f'said "no"{sign} twice'
    assert read.triples[WHOLE].tolist() == [[0, 0, 1], [2, 1, 1]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [("a,r\n", ":1: 2 columns instead of 3 filled ones between commas"), ('a,r,"b\n', ":1: is no CSV: ")],
)
def test_a_bad_line_of_a_spreadsheet_is_named(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "triples.csv").write_text(content)
    with pytest.raises(DataError) as error:
        tsv.read_one(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/triples.csv{reason}")


def test_a_folder_without_triples_says_what_they_are_called(run: Callable[..., Any], tmp_path: Path) -> None:
    code, _, err = run("check", "task=link_prediction", "data=triples", f"data.root={tmp_path}", *TINY)
    assert (code, said(err)) == (2, f"{tmp_path}/triples.tsv: no such file, nor triples.csv, nor triples.txt")
