from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.formats import tsv
from mkgc.errors import DataError

FILES: dict[str, Any] = {
    "train.tsv": "ada\tknows\tbob\nbob\tlikes\tnew york\n",
    "dev.tsv": "ada\tlikes\tbob\n",
    "test.tsv": "bob\tknows\tada\n",
}
TABLE = "new york\tNew York\tA large city.\nada\tAda Lovelace\nbob\neve\t\tNobody knows her.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def refused(root: Path) -> str:
    with pytest.raises(DataError) as error:
        tsv.read(root)
    return str(error.value).removeprefix(f"{root}/")


def test_three_files_of_triples_are_a_graph(root: Path) -> None:
    graph = tsv.read(root)
    assert (graph.entities, graph.relations) == (("ada", "bob", "new york"), ("knows", "likes"))
    assert graph.names == graph.entities
    assert {split: part.tolist() for split, part in graph.triples.items()} == {
        "train": [[0, 0, 1], [1, 1, 2]],
        "dev": [[0, 1, 1]],
        "test": [[1, 0, 0]],
    }


def test_a_table_lists_the_entities_with_names_and_descriptions_where_they_have_them(root: Path) -> None:
    (root / "entities.tsv").write_text(TABLE)
    graph = tsv.read(root)
    assert graph.entities == ("new york", "ada", "bob", "eve")
    assert graph.names == ("New York", "Ada Lovelace", "bob", "eve")
    assert graph.descriptions == ("A large city.", "", "", "Nobody knows her.")
    assert graph.triples["train"].tolist() == [[1, 0, 2], [2, 1, 0]]


def test_texts_may_lie_as_in_the_published_layout(root: Path) -> None:
    (root / "entity2text.txt").write_text("ada\tAda Lovelace\nbob\tBob\nnobody\tNobody\n")
    (root / "entity2textlong.txt").write_text("ada\tA mathematician.\n")
    (root / "entities.tsv").write_text("new york\nbob\tRobert\nada\n")
    graph = tsv.read(root)
    assert graph.names == ("new york", "Robert", "Ada Lovelace")
    assert graph.descriptions == ("", "", "A mathematician.")


def test_titles_of_columns_are_no_data(root: Path) -> None:
    plain = tsv.read(root)
    (root / "train.tsv").write_text("Head\tRelation\tTail\n" + FILES["train.tsv"])
    (root / "entities.tsv").write_text("id\tname\nada\tAda\nbob\nnew york\n")
    graph = tsv.read(root)
    assert (graph.entities, graph.names[0]) == (plain.entities, "Ada")
    assert (graph.triples["train"] == plain.triples["train"]).all()


@pytest.mark.parametrize("titles", ["ID", "entity\tlabel", "Entity_ID\tName\tDefinition"])
def test_titles_of_the_table_are_no_entity(root: Path, titles: str) -> None:
    (root / "entities.tsv").write_text(f"{titles}\nada\nbob\nnew york\n")
    graph = tsv.read(root)
    assert graph.entities == ("ada", "bob", "new york")
    assert [note.text for note in graph.notes] == ["entities.tsv: its first line is titles of columns, no entity"]


def test_spreadsheets_write_crlf_and_a_byte_order_mark(root: Path) -> None:
    plain = tsv.read(root)
    for name, content in {**FILES, "entities.tsv": "ada\tAda\nbob\tBob\nnew york\n"}.items():
        (root / name).write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    graph = tsv.read(root)
    assert (graph.entities, graph.names) == (plain.entities, ("Ada", "Bob", "new york"))
    assert all((graph.triples[split] == plain.triples[split]).all() for split in plain.triples)


def test_spaces_around_a_cell_are_not_part_of_it(root: Path) -> None:
    (root / "train.tsv").write_text(" ada\tknows \t bob \n")
    (root / "dev.tsv").write_text("ada\tknows\tbob\n")
    assert tsv.read(root).entities == ("ada", "bob")


@pytest.mark.parametrize(
    ("old", "new"), [("dev.tsv", "valid.tsv"), ("dev.tsv", "valid.txt"), ("train.tsv", "train.txt")]
)
def test_splits_have_other_names_too(root: Path, old: str, new: str) -> None:
    (root / old).rename(root / new)
    assert len(tsv.read(root).triples) == 3


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "gif", "bmp", "tif"])
def test_a_image_is_named_after_its_entity(root: Path, suffix: str) -> None:
    image = touch(root / f"images/new york.{suffix}")
    touch(root / "images/ada.txt")
    touch(root / "images/nobody.jpg")
    assert tsv.read(root).images == ({"image": ()}, {"image": ()}, {"image": (image,)})


def test_several_images_lie_in_a_folder_named_after_their_entity(root: Path) -> None:
    images = tuple(touch(root / f"images/ada/{i}.jpg") for i in range(5))
    beside = touch(root / "images/ada.jpg")
    touch(root / "images/ada/.hidden")
    assert tsv.read(root).images[0] == {"image": (*images, beside)}


def test_a_slash_in_an_id_is_a_dot_in_the_name_of_its_image(root: Path) -> None:
    (root / "train.tsv").write_text("/m/1.5\tnear\tbob\n")
    image = touch(root / "images/m.1.5.png")
    assert tsv.read(root).images[0] == {"image": (image,)}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("train.tsv", "train.tsv: no such file, nor train.txt"),
        ("dev.tsv", "dev.tsv: no such file, nor valid.tsv, nor dev.txt, nor valid.txt"),
        ("test.tsv", "test.tsv: no such file, nor test.txt"),
    ],
)
def test_a_missing_split_is_named_with_the_names_it_may_have(root: Path, name: str, reason: str) -> None:
    (root / name).unlink()
    why = "and a graph needs triples for train, dev and test (or all in triples.tsv, with data=triples)"
    assert refused(root) == f"{reason}, {why}"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("dev.tsv", "", ": is empty"),
        ("dev.tsv", "head\trelation\ttail\n", ": is empty"),
        (
            "train.tsv",
            "head\ttail\trelation\nada\tbob\tknows\n",
            ":1: the columns are head, tail, relation: bring them into the order head, relation, tail",
        ),
        (
            "train.tsv",
            "h\tr\tt\na\tr\tb\n",
            ":2: line 1 reads like titles of columns, but 'r' is a relation, too: "
            "delete the titles, or move that triple to another line",
        ),
        ("train.tsv", "ada,knows,bob\n", ":1: 1 columns instead of 3 filled ones between tabs"),
        ("entities.tsv", "ada\nbob\nada\tAda\n", ":3: the entity 'ada' is listed before"),
        ("entities.tsv", "ada\n\tBob\n", ":2: 2 columns instead of id, name, description between tabs"),
        (
            "entities.tsv",
            "ada\tb\tc\td\n",
            ":1: 4 columns instead of id, name, description between tabs; further columns need titles in line 1",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(root: Path, name: str, content: str, reason: str) -> None:
    (root / name).write_text(content)
    assert refused(root) == name + reason


def test_a_triple_of_an_entity_that_the_table_lacks_is_an_error(root: Path) -> None:
    (root / "entities.tsv").write_text("ada\nbob\n")
    assert refused(root) == "train.tsv:2: the triple names the entity 'new york', which entities.tsv does not list"


COUNTS = {
    "small/nations": (14, 55, (1_592, 199, 201)),
    "small/kinships": (104, 25, (8_544, 1_068, 1_074)),
    "small/umls": (135, 46, (5_216, 652, 661)),
    "codex_s/triples/codex-s": (2_034, 42, (32_888, 1_827, 1_828)),
}


@pytest.mark.parametrize("name", COUNTS)
def test_public_graphs_without_texts_are_read_whole(real: Callable[[str], Path], name: str) -> None:
    archive, _, inner = name.partition("/")
    graph = tsv.read(real(archive) / inner)
    entities, relations, triples = COUNTS[name]
    assert (len(graph.entities), len(graph.relations)) == (entities, relations)
    assert tuple(len(graph.triples[split]) for split in ("train", "dev", "test")) == triples
