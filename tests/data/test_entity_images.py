"""Which files are an entity's images, whatever its id and whatever they are called."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mkgc.data.formats import kg, mmkg, tsv
from mkgc.data.formats.entity_images import find_images
from mkgc.data.formats.filenames import decode, encode
from mkgc.errors import DataError

STRANGE = [
    "A/B",
    "U.S.",
    ".NET",
    "..",
    ".",
    "/",
    "a%b",
    "100%",
    "a\x07b",
    "a\\b",
    "x:y",
    "q?",
    "Ä",
    "中文/名",
    "x" * 255,
]
STRANGE += ["中" * 300, "a/" * 400, "%20", " \t", "a b ", "a.jpg", "n00000001", "nul\0"]


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, format="PNG")
    return path


def found(root: Path, *entities: str) -> dict[str, list[str]]:
    """The images of each entity, relative to the folder of images."""
    images = find_images(root, ("images",), [(entity,) for entity in entities], ("image",))
    files = ([path.relative_to(root / "images").as_posix() for path in each["image"]] for each in images.images)
    return dict(zip(entities, files, strict=True))


@pytest.mark.parametrize("entity", STRANGE, ids=ascii)
def test_an_encoded_id_is_a_path_that_stands_for_it_alone(tmp_path: Path, entity: str) -> None:
    assert decode(encode(entity)) == entity
    path = save(tmp_path / "images" / f"{encode(entity)}.png")
    assert path.resolve().is_relative_to((tmp_path / "images").resolve())
    others = [other for other in STRANGE if other != entity]
    files = found(tmp_path, entity, *others)
    assert files.pop(entity) == [path.relative_to(tmp_path / "images").as_posix()]
    assert not any(files.values())


def test_encoded_ids_are_all_different() -> None:
    assert len({encode(entity) for entity in STRANGE}) == len(STRANGE)


@pytest.mark.parametrize("name", ["A%2FB", "%41%2f%42", "A.B"])
def test_a_slash_is_encoded_or_a_dot_as_in_the_released_benchmarks(tmp_path: Path, name: str) -> None:
    save(tmp_path / "images" / name / "1.png")
    assert found(tmp_path, "A/B", "C") == {"A/B": [f"{name}/1.png"], "C": []}


@pytest.mark.parametrize("entity", ["Apple_Inc.", "Washington,_D.C.", ".NET", "U.S."])
def test_dots_around_an_id_are_part_of_it(tmp_path: Path, entity: str) -> None:
    save(tmp_path / "images" / entity / "1.png")
    save(tmp_path / "images" / f"{entity}.jpg")
    assert found(tmp_path, entity) == {entity: [f"{entity}/1.png", f"{entity}.jpg"]}


def test_a_dot_that_windows_dropped_is_no_loss(tmp_path: Path) -> None:
    save(tmp_path / "images/Apple_Inc/1.png")
    assert found(tmp_path, "Apple_Inc.") == {"Apple_Inc.": ["Apple_Inc/1.png"]}


def test_the_more_exact_name_wins(tmp_path: Path) -> None:
    for name in ("A%2FB", "A.B"):
        save(tmp_path / "images" / f"{name}.png")
    assert found(tmp_path, "A/B", "A.B") == {"A/B": ["A%2FB.png"], "A.B": ["A.B.png"]}


def test_an_id_that_is_the_encoding_of_another_has_one_of_its_own(tmp_path: Path) -> None:
    save(tmp_path / "images/%2F.png")
    with pytest.raises(DataError, match="the entities '%2F' and '/' would both take it"):
        found(tmp_path, "%2F", "/")
    save(tmp_path / "images/%252F.png")
    assert found(tmp_path, "%2F", "/") == {"%2F": ["%252F.png"], "/": ["%2F.png"]}


@pytest.mark.parametrize("entities", [("A/B", "A.B"), ("A.B", "A/B")])
def test_what_two_entities_would_take_is_an_error_that_names_both(tmp_path: Path, entities: tuple[str, str]) -> None:
    path = save(tmp_path / "images/A.B.png")
    with pytest.raises(DataError) as error:
        found(tmp_path, *entities)
    one, other = entities
    said = f"{path}: the entities '{one}' and '{other}' would both take it: call what is theirs"
    assert str(error.value).startswith(said)
    assert "'A%2FB'" in str(error.value)
    (tmp_path / "images/A%2FB").mkdir()  # what the message advises works
    assert found(tmp_path, *entities) == {"A/B": [], "A.B": ["A.B.png"]}


def test_entities_that_look_the_same_are_told_apart_in_the_error(tmp_path: Path) -> None:
    save(tmp_path / "images/\u00e9.png")
    with pytest.raises(DataError) as error:
        found(tmp_path, "\u00e9", "e\u0301")
    assert r"the entities '\xe9' and 'e\u0301' would both take it" in str(error.value)


def test_a_synset_has_an_n_in_front_but_no_other_entity_has(tmp_path: Path) -> None:
    save(tmp_path / "images/n01945845/1.png")
    save(tmp_path / "images/nab.png")
    assert found(tmp_path, "01945845", "ab", "nab") == {"01945845": ["n01945845/1.png"], "ab": [], "nab": ["nab.png"]}


@pytest.mark.parametrize(
    "suffix", [".JPG", ".jpeg", ".webp", ".jp2", ".jfif", ".avif", ".Tiff", "", ".img", ".jpg_large"]
)
@pytest.mark.parametrize("entity", ["a", "g h", "U.S."])
def test_the_suffix_does_not_matter(tmp_path: Path, entity: str, suffix: str) -> None:
    save(tmp_path / "images" / f"{entity}{suffix}")
    assert found(tmp_path, entity) == {entity: [f"{entity}{suffix}"]}


def test_an_unusual_suffix_may_be_part_of_an_id(tmp_path: Path) -> None:
    save(tmp_path / "images/St.Louis")
    assert found(tmp_path, "St", "St.Louis") == {"St": [], "St.Louis": ["St.Louis"]}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_letter_with_an_accent_is_the_same_in_both_its_forms(tmp_path: Path, form: str) -> None:
    name = unicodedata.normalize(form, "Ärö.jpg")
    save(tmp_path / "images" / name)
    assert list(found(tmp_path, "Ärö").values()) == [[name]]


def test_an_entity_has_all_images_that_are_called_after_it(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a/2.png", "a/1.png", "a/.hidden"):
        save(tmp_path / "images" / name)
    assert found(tmp_path, "a") == {"a": ["a/1.png", "a/2.png", "a.jpg", "a.png"]}


@pytest.mark.parametrize("entity", ["..", ".", "/", "//", ""])
def test_an_id_that_is_no_name_gets_no_stray_files(tmp_path: Path, entity: str) -> None:
    save(tmp_path / "images/1.png")
    save(tmp_path / "1.png")
    assert found(tmp_path, entity) == {entity: []}


def test_what_is_no_entitys_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    for name in ("a.png", *"bcde", "f/1.png", "g.png", ".DS_Store", "Thumbs.db"):
        save(tmp_path / "images" / name)
    named = ", ".join(f"images/{name}" for name in "bcdef")
    assert said(tmp_path, ("a",)) == [f"images that match no entity: 6 ({named} and 1 more)"]


def said(root: Path, *entities: tuple[str, ...]) -> list[str]:
    """The warnings about the images of entities with these ids and further names."""
    notes = find_images(root, ("images",), [(one[0],) for one in entities], ("image",)).notes(root, entities)
    assert {note.severity for note in notes} <= {"warning"}
    return [note.text for note in notes]


@pytest.mark.parametrize(
    ("file", "entity"),
    [
        ("Camel.png", "camel"),
        ("owl .png", "owl"),
        ("giant_panda.png", "giant panda"),
        ("Giant-Panda.JPG", "giant panda"),
        ("Eule.png", "owl"),
        ("pengiun.png", "penguin"),
        ("zebra.png", None),
        ("q13.png", None),
    ],
)
def test_the_entity_that_a_file_was_probably_meant_for_is_named(tmp_path: Path, file: str, entity: str | None) -> None:
    save(tmp_path / "images" / file)
    meant = "" if entity is None else f" for '{entity}'?"
    known = ("camel",), ("owl", "Eule"), ("giant panda",), ("penguin",), ("q12",)
    assert said(tmp_path, *known) == [f"images that match no entity: 1 (images/{file}{meant})"]


def test_nobody_is_named_where_two_may_be_meant(tmp_path: Path) -> None:
    save(tmp_path / "images/NEW YORK.png")
    assert said(tmp_path, ("new york",), ("newyork",)) == ["images that match no entity: 1 (images/NEW YORK.png)"]


def test_folders_without_a_file_are_listed_whosever_they_are(tmp_path: Path) -> None:
    for name in ("owl", "nobody"):
        (tmp_path / "images" / name).mkdir(parents=True)
    assert said(tmp_path, ("owl",)) == ["folders of images that hold no file: 2 (images/nobody, images/owl)"]


@pytest.mark.parametrize(("broken", "good"), [("A%2FB.png", "A.B.png"), ("A.B/1.png", "A.B.photo")])
def test_a_broken_file_hides_no_good_one_of_the_same_entity(tmp_path: Path, broken: str, good: str) -> None:
    save(tmp_path / "images" / good)
    bad = tmp_path / "images" / broken
    bad.parent.mkdir(exist_ok=True)
    bad.write_text("<html>")
    assert sorted(found(tmp_path, "A/B")["A/B"]) == sorted([broken, good])
    save(bad)
    assert found(tmp_path, "A/B") == {"A/B": [broken]}, "an exact name comes first"


def test_a_broken_file_gets_nobody_the_image_of_another(tmp_path: Path) -> None:
    save(tmp_path / "images/A.B.png")
    (tmp_path / "images/A%2FB.png").write_text("<html>")
    assert found(tmp_path, "A/B", "A.B") == {"A/B": ["A%2FB.png"], "A.B": ["A.B.png"]}


def test_links_in_a_circle_and_dead_ones_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png")
    (tmp_path / "images/b.png").symlink_to("b.png")
    (tmp_path / "images/c").symlink_to("nowhere")
    assert found(tmp_path, "a", "b", "c") == {"a": ["a.png"], "b": [], "c": []}


@pytest.mark.parametrize("read", [kg.read, tsv.read, mmkg.read])
def test_every_format_of_graphs_keeps_the_one_rule(tmp_path: Path, read: Any) -> None:
    if read is mmkg.read:
        (tmp_path / "entities.txt").write_text("A/B\nU.S.\nc\n")
        (tmp_path / "relations.txt").write_text("r\n")
    ending = "txt" if read is mmkg.read else "tsv"
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.{ending}").write_text("A/B\tr\tU.S.\nU.S.\tr\tc\n")
    files = [save(tmp_path / "images" / name) for name in ("A%2FB.JPG", "U.S./1.webp", "c.avif", "none.png")]
    graph = read(tmp_path)
    assert dict(zip(graph.entities, graph.images, strict=True)) == {
        "A/B": {"image": (files[0],)},
        "U.S.": {"image": (files[1],)},
        "c": {"image": (files[2],)},
    }
    assert [note.text for note in graph.notes if "entity" in note.text] == [
        "images that match no entity: 1 (images/none.png)"
    ]


def test_a_web_address_goes_by_what_it_names_and_a_last_part_that_two_share_by_neither(tmp_path: Path) -> None:
    base = "<http://dbpedia.org/resource/"
    films = [f"{base}Frost/Nixon_(film)>", f"{base}Nixon_(film)>", f"{base}AC/DC>"]
    assert mmkg.filed(films) == [
        (films[0], "Frost/Nixon_(film)"),
        (films[1], "Nixon_(film)"),
        (films[2], "AC/DC", "DC"),
    ]
