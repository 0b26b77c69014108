import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mkgc.data.formats import kg
from mkgc.errors import DataError

FILES = {
    "train.tsv": "/m/a\tborders\t/m/b\n/m/b\tborders\t/m/a\n",
    "dev.tsv": "/m/c\tspeaks\t/m/a\n",
    "test.tsv": "/m/a\tspeaks\t/m/c\n",
    "entities.txt": "/m/c\n/m/b\n/m/a\n",
    "relations.txt": "speaks\nborders\n",
    "entity2text.txt": "/m/a\tAlba\n/m/b\tBohemia, a country\n/m/z\tNot in the graph\n",
    "entity2textlong.txt": "/m/a\tAlba is a country.\n",
    "relation2text.txt": "borders\tshares a border with\nelse\tnot in the graph\n",
}


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
        kg.read(root)
    return str(error.value).removeprefix(f"{root}/")


def test_triples_are_numbered_by_the_lists_of_entities_and_relations(root: Path) -> None:
    graph = kg.read(root)
    assert (graph.entities, graph.relations) == (("/m/c", "/m/b", "/m/a"), ("speaks", "borders"))
    expected = {"train": [[2, 1, 1], [1, 1, 2]], "dev": [[0, 0, 2]], "test": [[2, 0, 0]]}
    assert {split: triples.tolist() for split, triples in graph.triples.items()} == expected
    assert graph.triples["train"].dtype == np.int64


def test_without_lists_the_order_is_that_of_first_appearance_in_all_splits(root: Path) -> None:
    (root / "entities.txt").unlink()
    (root / "relations.txt").unlink()
    (root / "test.tsv").write_text("/m/a\teats\t/m/new\n")
    graph = kg.read(root)
    assert graph.entities == ("/m/a", "/m/b", "/m/c", "/m/new")
    assert graph.relations == ("borders", "speaks", "eats")


def test_texts_are_the_graphs_own_and_an_identifier_is_its_own_name(root: Path) -> None:
    graph = kg.read(root)
    assert graph.names == ("/m/c", "Bohemia, a country", "Alba")
    assert graph.descriptions == ("", "", "Alba is a country.")
    assert graph.relation_names == ("speaks", "shares a border with")


def test_texts_are_optional(root: Path) -> None:
    for name in ("entity2text.txt", "entity2textlong.txt", "relation2text.txt"):
        (root / name).unlink()
    graph = kg.read(root)
    assert (graph.names, graph.relation_names) == (graph.entities, graph.relations)


def test_line_ends_do_not_matter_and_dev_may_be_called_valid(root: Path) -> None:
    plain = kg.read(root)
    (root / "train.tsv").write_bytes(FILES["train.tsv"].replace("\n", "\r\n").encode())
    (root / "entities.txt").write_bytes(FILES["entities.txt"].strip().replace("\n", "\r\n").encode())
    (root / "dev.tsv").rename(root / "valid.tsv")
    graph = kg.read(root)
    assert graph.entities == plain.entities
    assert all((graph.triples[split] == plain.triples[split]).all() for split in plain.triples)


def test_numbers_are_never_parsed_so_that_leading_zeros_stay(root: Path) -> None:
    (root / "entities.txt").unlink()
    (root / "train.tsv").write_text("00590383\tborders\t590383\n")
    assert kg.read(root).entities[:2] == ("00590383", "590383")


@pytest.mark.parametrize("folder", ["images/m.a", "FB15k-images/m.a", "images/%2Fm%2Fa", "../FB15k-images/m.a"])
def test_images_of_an_entity_lie_in_a_folder_named_after_it(root: Path, folder: str) -> None:
    second, first, hidden = (touch(root / folder / name) for name in ("b.png", "a.jpg", ".DS_Store"))
    images = dict(zip(("/m/c", "/m/b", "/m/a"), kg.read(root).images, strict=True))
    assert images == {"/m/c": {"image": ()}, "/m/b": {"image": ()}, "/m/a": {"image": (first, second)}}
    assert hidden not in images["/m/a"]["image"]


def test_synsets_have_their_images_under_n_and_the_offset(root: Path) -> None:
    (root / "entities.txt").unlink()
    (root / "train.tsv").write_text("01945845\tborders\t00000001\n")
    image = touch(root / "wn18-images/n01945845/n01945845_1.jpg")
    assert kg.read(root).images[0] == {"image": (image,)}


def test_no_groups_no_images(root: Path) -> None:
    touch(root / "images/m.a/0.jpg")
    assert kg.read(root, ()).images == ({}, {}, {})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train.tsv", "/m/a\tborders\n", "train.tsv:1: 2 columns instead of 3 filled ones between tabs"),
        ("train.tsv", "/m/a borders /m/b\n", "train.tsv:1: 1 columns instead of 3 filled ones between tabs"),
        ("dev.tsv", "\n/m/a\t\t/m/b\n", "dev.tsv:2: 3 columns instead of 3 filled ones between tabs"),
        (
            "test.tsv",
            "/m/a\tspeaks\t/m/b\n/m/a\tspeaks\t/m/x\n",
            "test.tsv:2: the triple names the entity '/m/x', which entities.txt does not list; did you mean "
            "'/m/c', '/m/b' or '/m/a'?",
        ),
        (
            "dev.tsv",
            "/m/a\teats\t/m/b\n",
            "dev.tsv:1: the triple names the relation 'eats', which relations.txt does not list; did you mean "
            "'speaks'?",
        ),
        ("test.tsv", "", "test.tsv: is empty"),
        ("test.tsv", "\r\n\n", "test.tsv: is empty"),
        ("entity2text.txt", "/m/a Alba\n", "entity2text.txt:1: no tab between id and text"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(root: Path, name: str, content: str, reason: str) -> None:
    (root / name).write_text(content)
    assert refused(root) == reason


@pytest.mark.parametrize("name", ["train.tsv", "entities.txt", "entity2text.txt", "entity2textlong.txt"])
def test_bytes_that_are_not_utf8_are_named_with_their_line(root: Path, name: str) -> None:
    (root / name).write_bytes((root / name).read_bytes() + b"caf\xe9\tx\ty\n")
    number = FILES[name].count("\n") + 1
    assert refused(root) == f"{name}:{number}: byte 0xe9 at column 4 is not UTF-8: save the file as UTF-8"


def test_a_missing_split_or_folder_is_an_error(root: Path) -> None:
    (root / "dev.tsv").unlink()
    assert refused(root) == "dev.tsv: no such file, nor valid.tsv"
    assert refused(root / "nowhere") == f"{root / 'nowhere'}: no such folder"


@pytest.mark.slow
def test_a_broken_line_at_the_end_of_a_million_is_named(root: Path) -> None:
    (root / "train.tsv").write_text("/m/a\tborders\t/m/b\n" * 999_999 + "/m/a\tborders")
    assert refused(root) == "train.tsv:1000000: 2 columns instead of 3 filled ones between tabs"


@pytest.mark.slow
def test_lines_are_not_all_kept_in_memory(root: Path) -> None:
    (root / "train.tsv").write_text("/m/a\tborders\t/m/b\n" * 20_000)
    tracemalloc.start()
    triples = kg.read(root, ()).triples["train"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * triples.nbytes, "the cells as text take ten times as much as the numbers"


def test_a_graph_of_one_entity_has_nothing_to_complete(root: Path) -> None:
    (root / "entities.txt").unlink()
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (root / name).write_text("/m/a\tborders\t/m/a\n")
    reason = "the graph has one entity only: there must be another that could complete a triple"
    assert refused(root) == f"{root}: {reason}"


def test_a_relation_that_only_test_shows_has_its_number_like_any_other(root: Path) -> None:
    (root / "relations.txt").unlink()
    (root / "test.tsv").write_text("/m/a\teats\t/m/c\n")
    graph = kg.read(root)
    assert graph.relations == ("borders", "speaks", "eats")
    assert graph.triples["test"].tolist() == [[2, 2, 0]]


def test_duplicates_and_loops_are_kept_for_the_checks_to_report(root: Path) -> None:
    (root / "train.tsv").write_text("/m/a\tborders\t/m/a\n" * 2)
    assert kg.read(root).triples["train"].tolist() == [[2, 1, 2]] * 2


def test_a_tab_within_a_text_is_a_space_but_within_an_id_an_error(root: Path) -> None:
    (root / "entity2text.txt").write_text("/m/a\tAlba\tLonga\n")
    assert kg.read(root).names[2] == "Alba Longa"
    (root / "train.tsv").write_text("/m/a\tborders\t/m\tb\n")
    assert refused(root) == "train.tsv:1: 4 columns instead of 3 filled ones between tabs"


def test_an_empty_text_is_none(root: Path) -> None:
    (root / "entity2text.txt").write_text("/m/a\t\n")
    assert kg.read(root).names[2] == "/m/a"


def assert_counts(root: Path, entities: int, relations: int, triples: tuple[int, int, int]) -> None:
    graph = kg.read(root)
    assert (len(graph.entities), len(graph.relations)) == (entities, relations)
    assert tuple(len(graph.triples[split]) for split in ("train", "dev", "test")) == triples
    numbers = np.concatenate(list(graph.triples.values()))
    assert len(np.unique(numbers[:, ::2])) == entities


def test_the_smallest_public_graph_with_long_texts_is_read_whole(real: Callable[[str], Path]) -> None:
    root = real("small") / "umls_kgbert"
    assert_counts(root, 135, 46, (5_216, 652, 661))
    assert max(map(len, kg.read(root).descriptions)) == 5_496


@pytest.mark.slow
def test_escapes_in_the_texts_of_entities_are_cleaned_as_the_released_code_does(root: Path) -> None:
    (root / "entity2text.txt").write_text("/m/c\tMiles \\Tails\\ Prower\n")
    (root / "entity2textlong.txt").write_text('/m/c\tSaid \\"hi\\"\\nand left\\n\n')
    (root / "relation2text.txt").write_text("speaks\tnear \\n to\n")
    graph = kg.read(root)
    assert (graph.names[0], graph.descriptions[0]) == ("Miles Tails Prower", 'Said "hi" and left')
    assert graph.relation_names[0] == "near \\n to"


def test_1814_texts_of_fb15k237_hold_escapes_and_none_is_left(real: Callable[[str], Path]) -> None:
    texts = kg.read_texts(real("fb15k237") / "fb-entity2text-new.txt")
    cleaned = kg.clean_texts(texts)
    assert (len(texts), sum(cleaned[key] != text for key, text in texts.items())) == (14_951, 1_814)
    assert not any("\\" in text for text in cleaned.values())


def test_fb15k237_is_read_whole(real: Callable[[str], Path]) -> None:
    root = real("fb15k237")
    assert_counts(root, 14_541, 237, (272_115, 17_535, 20_466))
    graph = kg.read(root)
    assert all(name != entity for name, entity in zip(graph.names, graph.entities, strict=True))
    pairs = [{(h, t) for h, _, t in graph.triples[split].tolist()} for split in ("train", "test")]
    assert not any((h, t) in pairs[0] or (t, h) in pairs[0] for h, t in pairs[1])


@pytest.mark.slow
def test_wn18_is_read_whole(real: Callable[[str], Path]) -> None:
    root = real("wn18")
    assert_counts(root, 40_943, 18, (141_442, 5_000, 5_000))
    graph = kg.read(root)
    assert all(len(entity) == 8 for entity in graph.entities)
    reversed_pairs = {(t, h) for h, _, t in graph.triples["train"].tolist()}
    assert sum((h, t) in reversed_pairs for h, _, t in graph.triples["test"].tolist()) == 4_698


@pytest.mark.slow
def test_wn18rr_is_read_whole(real: Callable[[str], Path]) -> None:
    root = real("wn18rr")
    assert_counts(root, 40_943, 11, (86_835, 3_034, 3_134))
    triples = kg.read(root, ()).triples
    known = np.unique(triples["train"][:, ::2])
    assert len(known) == 40_559
    unseen = [int((~np.isin(triples[split][:, ::2], known)).any(1).sum()) for split in ("dev", "test")]
    assert unseen == [210, 210]
