import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.formats import mmkg
from mkgc.data.graph import Graph
from mkgc.errors import DataError

CAFE = "<http://dbpedia.org/resource/Caf%C3%A9_au_lait>"
OPENKE = {
    "entity2id.txt": f"3\nNew_York 0\n{CAFE} 2\nhttp://www.wikidata.org/entity/Q1 1\n",
    "relation2id.txt": "2\n<http://www.w3.org/2000/01/rdf-schema#seeAlso> 1\nnear 0\n",
    "train2id.txt": "2\n0 1 0\n1 2 1\n",
    "valid2id.txt": "1\n2 0 0\n",
    "test2id.txt": "1\n0 0 1\n",
}
ENTITIES = ("New_York", "http://www.wikidata.org/entity/Q1", CAFE)
MYGO = {
    "entities.txt": "0\n1\n2\n",
    "relations.txt": "0\n1\n",
    "train.txt": "0\t0\t1\n1\t1\t2\n",
    "valid.txt": "2\t0\t0\n",
    "test.txt": "0\t1\t0\n",
}
MOMOK: dict[str, Any] = {
    "train.txt": "Ada knows Bob .\nBob likes Ada .\n",
    "valid.txt": "Ada likes Bob .\n",
    "test.txt": "Eve knows Ada .\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def openke(tmp_path: Path) -> Path:
    return write(tmp_path / "benchmarks" / "X", OPENKE)


@pytest.fixture
def mygo(tmp_path: Path) -> Path:
    return write(tmp_path / "data" / "X", MYGO)


def rows(graph: Graph) -> dict[str, list[list[int]]]:
    return {split: triples.tolist() for split, triples in graph.triples.items()}


def refused(root: Path) -> str:
    with pytest.raises(DataError) as error:
        mmkg.read(root)
    return str(error.value).removeprefix(f"{root}/")


def test_openkes_rows_are_head_tail_relation_by_number(openke: Path) -> None:
    graph = mmkg.read(openke)
    assert graph.entities == ENTITIES
    assert graph.relations == ("near", "<http://www.w3.org/2000/01/rdf-schema#seeAlso>")
    assert rows(graph) == {"train": [[0, 0, 1], [1, 1, 2]], "dev": [[2, 0, 0]], "test": [[0, 1, 0]]}


def test_mygos_rows_are_head_relation_tail_between_tabs(mygo: Path) -> None:
    graph = mmkg.read(mygo)
    assert (graph.entities, graph.relations, graph.names) == (("0", "1", "2"), ("0", "1"), ("0", "1", "2"))
    assert rows(graph) == {"train": [[0, 0, 1], [1, 1, 2]], "dev": [[2, 0, 0]], "test": [[0, 1, 0]]}


def test_mygos_numbers_get_the_names_that_lie_beside_them(openke: Path, mygo: Path) -> None:
    write(mygo, {name: OPENKE[name] for name in ("entity2id.txt", "relation2id.txt")})
    graph, same = mmkg.read(mygo), mmkg.read(openke)
    assert (graph.entities, graph.names, graph.relations) == (same.entities, same.names, same.relations)
    assert rows(graph) == rows(same)


def test_momoks_rows_are_names_and_a_full_stop(tmp_path: Path) -> None:
    graph = mmkg.read(write(tmp_path, MOMOK))
    assert (graph.entities, graph.relations) == (("Ada", "Bob", "Eve"), ("knows", "likes"))
    assert rows(graph) == {"train": [[0, 0, 1], [1, 1, 0]], "dev": [[0, 1, 1]], "test": [[2, 0, 0]]}


def test_momoks_names_are_numbered_by_its_lists_which_have_no_count(tmp_path: Path) -> None:
    write(tmp_path, {**MOMOK, "entity2id.txt": "Eve 0\nAda 1\nBob 2\n", "relation2id.txt": "likes 0\nknows 1\n"})
    graph = mmkg.read(tmp_path)
    assert (graph.entities, graph.relations) == (("Eve", "Ada", "Bob"), ("likes", "knows"))
    assert rows(graph)["test"] == [[0, 1, 1]]


@pytest.mark.parametrize("gap", [" ", "\t"])
def test_names_may_hold_spaces(openke: Path, gap: str) -> None:
    (openke / "entity2id.txt").write_text(f"3\norganic compound{gap}1\nblue  jay{gap}0\n7{gap}2\n")
    assert mmkg.read(openke).entities == ("blue  jay", "organic compound", "7")


def test_a_name_is_what_a_person_would_say_for_the_id(openke: Path) -> None:
    graph = mmkg.read(openke)
    assert graph.names == ("New York", "Q1", "Café au lait")
    assert graph.relation_names == ("near", "seeAlso")


def test_texts_that_lie_beside_the_triples_win_over_ids(openke: Path) -> None:
    (openke / "entity2text.txt").write_text("http://www.wikidata.org/entity/Q1\tuniverse\n")
    (openke / "entity2textlong.txt").write_text("New_York\ta big city\n")
    graph = mmkg.read(openke)
    assert graph.names == ("New York", "universe", "Café au lait")
    assert graph.descriptions == ("a big city", "", "")


def test_images_lie_under_the_last_part_of_the_id(openke: Path) -> None:
    image = openke / "images" / "Q1" / "a.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    assert mmkg.read(openke).images == ({"image": ()}, {"image": (image,)}, {"image": ()})


@pytest.mark.parametrize(
    "place", ["benchmarks/X/visual.pth", "benchmarks/X/img_features.pth", "embeddings/X-visual.pth"]
)
def test_features_are_rows_in_the_order_of_the_entities(openke: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "embeddings").mkdir()
    table = torch.arange(6.0).reshape(3, 2)
    torch.save(table, tmp_path / place)
    np.save(openke / "text_features.npy", table.double().numpy() + 1)
    features = mmkg.read(openke).features
    assert features["visual"].equal(table)
    assert features["textual"].equal(table + 1)


def test_features_of_another_graph_are_refused(openke: Path) -> None:
    torch.save(torch.zeros(4, 2), openke / "visual.pth")
    assert refused(openke) == "visual.pth: has 4 rows, but there are 3 entities"


def test_features_need_an_order_of_the_entities(tmp_path: Path) -> None:
    torch.save(torch.zeros(3, 2), write(tmp_path, MOMOK) / "img_features.pth")
    reason = "img_features.pth: has rows in the order of entity2id.txt, and there is no such file"
    assert refused(tmp_path) == reason


def test_no_features_no_tokens(openke: Path) -> None:
    graph = mmkg.read(openke)
    assert (graph.features, graph.tokens) == ({}, {})


@pytest.mark.parametrize("keys", [("New_York", CAFE), ("0", "2")])
def test_tokens_belong_to_entities_by_name_or_by_number(mygo: Path, keys: tuple[str, str]) -> None:
    write(mygo, {name: OPENKE[name] for name in ("entity2id.txt", "relation2id.txt")})
    folder = write(mygo.parent.parent / "tokens", {"X-visual.json": json.dumps({keys[0]: [4, 4, 1], keys[1]: [0]})})
    torch.save(torch.ones(5, 2), folder / "visual.pth")
    (folder / "X-textual-v2.json").write_text("{}")
    tokens = mmkg.read(mygo).tokens
    assert [codes.tolist() for codes in tokens["visual"].codes] == [[4, 4, 1], [], [0]]
    assert tokens["visual"].vectors is not None
    assert tokens["visual"].vectors.shape == (5, 2)
    assert tokens["textual"].vectors is None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train2id.txt", "3\n0 1 0\n", ": begins with the count 3, but there are 1 triples: fetch it again"),
        ("train2id.txt", "0 1 0\n", ":1: must begin with the count of its triples, not 0 1 0"),
        ("train2id.txt", "", ": is empty"),
        ("train2id.txt", "0\n", ": is empty"),
        ("test2id.txt", "1\n0 1\n", ":2: 2 columns instead of head, tail and relation as numbers"),
        ("test2id.txt", "1\n0 3 0\n", ":2: the triple names the entity '3', which entity2id.txt does not list"),
        ("test2id.txt", "1\n0 1 2\n", ":2: the triple names the relation '2', which relation2id.txt does not list"),
        ("entity2id.txt", "2\na 0\n", ": begins with the count 2, but there are 1 lines"),
        ("entity2id.txt", "a 0\nb 2\n", ": must number its 2 names from 0 to 1"),
        ("entity2id.txt", "a 0\nb 0\n", ":2: must be a name and a number of its own, not b 0"),
        ("entity2id.txt", "a 0\na 1\n", ": numbers 'a' twice"),
        ("entity2id.txt", "a 0\nb\n", ":2: must be a name and a number of its own, not b"),
        ("entity2id.txt", "a 0\n1\n", ":2: must be a name and a number of its own, not 1"),
        ("relation2id.txt", "", ": is empty"),
        ("relation2id.txt", None, ": no such file"),
        ("valid2id.txt", None, ": no such file"),
    ],
)
def test_a_file_of_openkes_that_cannot_be_used_is_named(
    openke: Path, name: str, content: str | None, reason: str
) -> None:
    if content is None:
        (openke / name).unlink()
    else:
        (openke / name).write_text(content)
    assert refused(openke) == name + reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train.txt", "0 0 1\n", "train.txt:1: 1 columns instead of 3 filled ones between tabs"),
        ("test.txt", "0\t0\t9\n", "test.txt:1: the triple names the entity '9', which entities.txt does not list"),
        ("entity2id.txt", "a 0\nb 1\n", "entity2id.txt: does not number the entity '2'"),
    ],
)
def test_a_file_of_mygos_that_cannot_be_used_is_named(mygo: Path, name: str, content: str, reason: str) -> None:
    (mygo / name).write_text(content)
    assert refused(mygo) == reason


def test_a_row_of_momoks_has_three_names(tmp_path: Path) -> None:
    write(tmp_path, {**MOMOK, "test.txt": "Ada knows Bob .\n\nAda knows old Bob .\n"})
    assert refused(tmp_path) == "test.txt:3: 5 columns instead of head, relation, tail and a full stop"


def test_a_folder_of_no_known_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    reason = "train2id.txt: no such file, nor entities.txt, nor train.txt, one of which tells the layout"
    assert refused(tmp_path) == reason


@pytest.fixture(scope="module")
def public(real: Callable[[str], Path]) -> Callable[[str], Graph]:
    """Reads a public data set once."""
    return cache(lambda name: mmkg.read(real("mmkg") / name, ()))


def named(graph: Graph) -> dict[str, list[tuple[str, str, str]]]:
    """The triples of each split by name, sorted."""
    e, r = graph.entities, graph.relations
    return {split: sorted((e[h], r[p], e[t]) for h, p, t in part) for split, part in rows(graph).items()}


COUNTS = {
    "DB15K": (12_842, 279, (79_222, 9_904, 9_902)),
    "MKG-W": (15_000, 169, (34_196, 4_276, 4_274)),
    "MKG-Y": (15_000, 28, (21_310, 2_665, 2_663)),
    "MKG-Y/mygo": (15_000, 28, (21_310, 2_665, 2_663)),
    "MKG-Y/named": (15_000, 28, (21_310, 2_665, 2_663)),
    "TIVA": (11_858, 16, (20_071, 2_000, 2_000)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_public_data_sets_are_read_whole(public: Callable[[str], Graph], name: str) -> None:
    graph = public(name)
    entities, relations, triples = COUNTS[name]
    assert (len(graph.entities), len(graph.relations)) == (entities, relations)
    assert tuple(len(graph.triples[split]) for split in ("train", "dev", "test")) == triples
    assert all(graph.names)


def test_mkg_y_has_the_same_triples_in_every_layout(
    real: Callable[[str], Path], public: Callable[[str], Graph], tmp_path: Path
) -> None:
    expected = named(public("MKG-Y"))
    assert named(public("MKG-Y/named")) == expected
    root = real("mmkg") / "MKG-Y"
    for path in (root / "entity2id.txt", root / "relation2id.txt", *(root / "mygo").iterdir()):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert named(mmkg.read(tmp_path, ())) == expected


@pytest.mark.parametrize(("name", "dev", "test"), [("MKG-W", 333, 306), ("MKG-Y", 400, 388)])
def test_triples_with_entities_that_training_does_not_show_are_kept(
    public: Callable[[str], Graph], name: str, dev: int, test: int
) -> None:
    triples = public(name).triples
    known = np.unique(triples["train"][:, ::2])
    unseen = [int((~np.isin(triples[split][:, ::2], known)).any(1).sum()) for split in ("dev", "test")]
    assert unseen == [dev, test]


def test_db15k_is_read_with_the_faults_of_its_dev_split(public: Callable[[str], Graph]) -> None:
    splits = {split: list(map(tuple, part)) for split, part in rows(public("DB15K")).items()}
    dev = set(splits["dev"])
    assert len(splits["dev"]) - len(dev) == 2_423
    assert (len(dev & set(splits["train"])), len(dev & set(splits["test"]))) == (6_584, 824)


def test_tiva_is_read_with_its_spaces_and_its_duplicates(public: Callable[[str], Graph]) -> None:
    graph = public("TIVA")
    assert graph.entities[:2] == ("freon", "organic compound")
    assert graph.relations[2] == "4"
    train = graph.triples["train"]
    assert len(train) - len(np.unique(train, axis=0)) == 8_419
