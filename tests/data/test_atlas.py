"""The built-in graph: true to its facts, deterministic, and without a way around the images."""

import ast
import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mkgc.data.atlas import build
from mkgc.data.atlas.draw import Land
from mkgc.data.atlas.facts import Country, countries
from mkgc.errors import DataError
from tasks.link_prediction import atlas as triples
from tasks.link_prediction.source import LinkSource
from tasks.mner import atlas as mentions
from tasks.mner import twitter
from tasks.mner.atlas import shared_names
from tasks.mner.source import TaggedSource
from tasks.mre import atlas as relations
from tasks.mre import mnre
from tasks.mre.source import RelationSource

pytestmark = pytest.mark.slow  # the whole file takes a minute

SOURCES = {"link_prediction": LinkSource, "mner": TaggedSource, "mre": RelationSource}


def build_all(output: Path, seed: int) -> None:
    for name, source in SOURCES.items():
        build(output / name, name, source.draw_atlas, seed)


@pytest.fixture(scope="module")
def world() -> dict[str, Country]:
    return countries()


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("atlas") / "atlas"
    build_all(output, seed=0)
    return output


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def graph(atlas: Path) -> dict[str, list[list[str]]]:
    return {split: rows(atlas / "link_prediction" / f"{split}.tsv") for split in ("train", "dev", "test")}


def test_facts_are_read_whole(world: Any) -> None:
    assert len(world) == 251
    assert sum(bool(country.rings) for country in world.values()) == 173
    assert world["FR"].capital == "Paris"
    assert "DE" in world["FR"].borders
    assert world["FR"].chinese == "法国"
    assert all(code in world[other].borders for code, country in world.items() for other in country.borders)


def test_the_graph_has_the_promised_entities_and_relations(atlas: Path) -> None:
    entities = [row[0] for row in rows(atlas / "link_prediction" / "entities.txt")]
    kinds = Counter(entity.split("/")[0] for entity in entities)
    assert kinds.keys() == {"country", "city", "language", "currency", "region", "subregion", "zone"}
    assert 800 <= len(entities) == len(set(entities)) <= 900
    named = {triple[1] for part in graph(atlas).values() for triple in part}
    assert named == set(triples.RELATIONS)
    assert {entity for part in graph(atlas).values() for h, _, t in part for entity in (h, t)} <= set(entities)


def test_no_pair_of_entities_is_in_two_splits(atlas: Path) -> None:
    pairs = {split: {frozenset((h, t)) for h, _, t in part} for split, part in graph(atlas).items()}
    assert not pairs["train"] & pairs["dev"]
    assert not pairs["train"] & pairs["test"]
    assert not pairs["dev"] & pairs["test"]


def test_every_entity_asked_about_was_seen_in_training(atlas: Path) -> None:
    parts = graph(atlas)
    seen = {entity for h, _, t in parts["train"] for entity in (h, t)}
    assert {entity for split in ("dev", "test") for h, _, t in parts[split] for entity in (h, t)} <= seen


def test_no_description_gives_away_an_answer(atlas: Path) -> None:
    folder, parts = atlas / "link_prediction", graph(atlas)
    names, texts = dict(rows(folder / "entity2text.txt")), dict(rows(folder / "entity2textlong.txt"))
    assert texts.keys() == names.keys()
    asked = parts["dev"] + parts["test"]
    assert len(asked) > 500
    for head, _, tail in asked:
        assert names[tail].casefold() not in texts[head].casefold().replace(names[head].casefold(), "")


def test_images_are_the_countries_own(atlas: Path, world: Any) -> None:
    folders = {path.name for path in (atlas / "link_prediction" / "images").iterdir()}
    assert folders == {f"country.{code}" for code, country in world.items() if country.rings}
    for folder in sorted(folders)[:5]:
        files = sorted(path.name for path in (atlas / "link_prediction" / "images" / folder).iterdir())
        assert files == ["locator.png", "outline.png"]


def test_triples_whose_answer_the_map_shows_are_listed(atlas: Path) -> None:
    listed = rows(atlas / "link_prediction" / "image_decides.tsv")
    asked = {(split, *triple) for split, part in graph(atlas).items() for triple in part}
    assert len(listed) > 200
    assert {tuple(row) for row in listed} <= asked
    assert {row[2] for row in listed} == set(triples.LOCATION)


def test_no_country_of_dev_or_test_is_named_in_training_relations(atlas: Path) -> None:
    named: dict[str, set[str]] = {split: set() for split in ("train", "dev", "test")}
    for split, found in named.items():
        for e in mnre.read(atlas / "mre", split):
            found |= {" ".join(e.tokens[slice(*e.head)]), " ".join(e.tokens[slice(*e.tail)])}
    assert not named["train"] & (named["dev"] | named["test"])
    assert not named["dev"] & named["test"]
    assert {split: len(mnre.read(atlas / "mre", split)) for split in named} == {"train": 4000, "dev": 500, "test": 500}


def test_the_sentence_alone_does_not_tell_the_relation(atlas: Path) -> None:
    def template(e: Any) -> str:
        inside = {i for span in (e.head, e.tail) for i in range(*span)}
        starts = {e.head.start, e.tail.start}
        return " ".join("X" if i in starts else t for i, t in enumerate(e.tokens) if i in starts or i not in inside)

    votes: dict[str, Counter[Any]] = defaultdict(Counter)
    for e in mnre.read(atlas / "mre", "train"):
        votes[template(e)][e.relation] += 1
    test = mnre.read(atlas / "mre", "test")
    right = Counter(e.relation == votes[template(e)].most_common(1)[0][0] for e in test if "of" in e.relation)
    assert right[True] / right.total() < 0.35
    right = Counter(e.relation == votes[template(e)].most_common(1)[0][0] for e in test if "of" not in e.relation)
    assert right[True] / right.total() < 0.6


def _middle(pixels: np.ndarray, colour: str) -> np.ndarray:
    red, green, blue = (pixels[..., i].astype(int) for i in range(3))
    hit = (red > 150) & (green < 90) if colour == "red" else (blue > 150) & (green < 130) & (red < 110)
    return np.argwhere(hit).mean(0) if hit.any() else np.full(2, np.nan)


def test_the_label_is_what_the_image_shows(atlas: Path) -> None:
    agree = []
    for e in mnre.read(atlas / "mre", "test"):
        if not e.relation.endswith("_of"):
            continue
        pixels = np.asarray(Image.open(e.images["image"][0]))
        down, right = _middle(pixels, "red") - _middle(pixels, "blue")
        side = ("east" if right > 0 else "west") if abs(right) > abs(down) else ("south" if down > 0 else "north")
        agree.append(e.relation == f"{relations.PREFIX}{side}_of")
    assert len(agree) > 300
    assert np.mean(agree) > 0.9  # labels are of the boxes, this test of what is filled


def test_directions_are_those_of_the_globe(world: Any) -> None:
    assert relations.direction(world["NO"], world["IT"]) == "north_of"
    assert relations.direction(world["AR"], world["BR"]) == "south_of"
    assert relations.direction(world["PL"], world["DE"]) == "east_of"
    assert relations.direction(world["PT"], world["ES"]) == "west_of"
    assert relations.direction(world["PT"], world["DE"]) is None


def test_a_name_shared_by_country_and_capital_means_both(atlas: Path, world: Any) -> None:
    shared = shared_names(world)
    assert {"Luxembourg", "Singapore", "Panama", "Kuwait", "Mexico"} <= shared.keys()
    decided = _decided(atlas)
    for split in ("train", "test"):
        kinds: Counter[str] = Counter()
        for e in twitter.read(atlas / "mner", split):
            for token, tag in zip(e.tokens, e.tags, strict=True):
                if token in shared and e.id in decided:
                    kinds[tag] += 1
        assert kinds.keys() == {"B-CITY", "B-COUNTRY"}
        assert 0.4 < kinds["B-CITY"] / kinds.total() < 0.6


def _decided(atlas: Path) -> set[str]:
    return {row[1] for row in rows(atlas / "mner" / "image_decides.txt")}


def test_every_sentence_has_a_image_and_four_types_occur(atlas: Path) -> None:
    for split in ("train", "dev", "test"):
        examples = twitter.read(atlas / "mner", split)
        assert all(e.images["image"][0].is_file() for e in examples)
        types = {tag[2:] for e in examples for tag in e.tags if tag != "O"}
        assert types == {"COUNTRY", "CITY", "LANGUAGE", "CURRENCY"}


def test_tags_are_those_of_bio(atlas: Path) -> None:
    for split in ("train", "dev", "test"):
        for e in twitter.read(atlas / "mner", split):
            for before, tag in zip(["O", *e.tags], e.tags, strict=False):
                assert tag[0] in "OB" or before in (f"B-{tag[2:]}", tag)


def test_spans_hold_the_names_of_the_countries(atlas: Path) -> None:
    for line in (atlas / "mre" / "txt" / "ours_test.txt").read_text(encoding="utf-8").splitlines():
        row = ast.literal_eval(line)
        for end in ("h", "t"):
            assert " ".join(row["token"][slice(*row[end]["pos"])]) == row[end]["name"]


def _digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_another_graph(
    tmp_path: Path, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations, "COUNTS", {"train": 20, "val": 5, "test": 5})
    monkeypatch.setattr(mentions, "COUNTS", {"train": 20, "valid": 5, "test": 5})
    monkeypatch.setattr(triples, "locator", lambda country, land: triples.outline(country))  # the slowest images
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        build_all(tmp_path / name, seed)
    one, same, other = (_digest(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    changed = {path for path in one if one[path] != other.get(path)}
    assert {"link_prediction/test.tsv", "mre/txt/ours_test.txt", "mner/test.txt", "mre/SOURCES.md"} <= changed


def test_what_is_built_is_kept_and_what_is_half_built_is_not_left(
    atlas: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = (atlas / "mner" / "SOURCES.md").stat().st_mtime_ns
    build(atlas / "mner", "mner", TaggedSource.draw_atlas, seed=0)
    assert (atlas / "mner" / "SOURCES.md").stat().st_mtime_ns == before
    monkeypatch.setattr(Land, "inside", lambda self, window: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(tmp_path / "half", "mner", TaggedSource.draw_atlas, seed=0)
    assert list(tmp_path.iterdir()) == []


def draw(folder: Path, countries: dict[str, Country], random: Random) -> None:
    """A data set of one file, so that building takes no time."""
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text(str(random.random()))


@pytest.mark.parametrize("theirs", ["notes.txt", "images/1.png", "train.txt", "SOURCES.md"])
def test_a_folder_of_the_users_own_files_is_never_touched(tmp_path: Path, theirs: Any) -> None:
    (tmp_path / "own" / theirs).parent.mkdir(parents=True)
    (tmp_path / "own" / theirs).write_text("years of work")
    with pytest.raises(DataError, match=r"own: holds \S+, which is not of an Atlas: .* data=folder"):
        build(tmp_path / "own", "mner", draw)
    assert _digest(tmp_path) == {f"own/{theirs}": hashlib.sha256(b"years of work").hexdigest()}


def test_what_a_user_put_into_an_atlas_is_not_lost_with_it(tmp_path: Path) -> None:
    build(tmp_path / "atlas", "mner", draw, seed=0)
    (tmp_path / "atlas" / "mine").mkdir()
    build(tmp_path / "atlas", "mner", draw, seed=0)
    with pytest.raises(DataError, match="holds mine"):
        build(tmp_path / "atlas", "mner", draw, seed=1)


def test_a_file_in_the_way_or_a_closed_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("years of work")
    for output in (tmp_path / "file", tmp_path / "file" / "atlas"):
        with pytest.raises(DataError, match=str(output)):
            build(output, "mner", draw)
    assert (tmp_path / "file").read_text() == "years of work"


def test_another_seed_takes_the_place_of_an_atlas_and_leaves_nothing_beside(tmp_path: Path) -> None:
    build(tmp_path / "atlas", "mner", draw, seed=0)
    before = _digest(tmp_path)
    build(tmp_path / "atlas", "mner", draw, seed=1)
    after = _digest(tmp_path)
    assert after.keys() == before.keys()
    assert after["atlas/train.txt"] != before["atlas/train.txt"]


def test_an_atlas_of_the_first_format_which_had_one_page_above_all_data_sets_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "atlas" / "mner").mkdir(parents=True)
    (tmp_path / "atlas" / "SOURCES.md").write_text("# The Atlas graph\n")
    (tmp_path / "atlas" / "mner" / "train.txt").write_text("old")
    build(tmp_path / "atlas" / "mner", "mner", draw)
    assert (tmp_path / "atlas" / "mner" / "train.txt").read_text() != "old"


def test_data_sets_of_one_seed_are_drawn_apart(tmp_path: Path) -> None:
    for name in ("mner", "mre"):
        build(tmp_path / name, name, draw)
    assert (tmp_path / "mner" / "train.txt").read_text() != (tmp_path / "mre" / "train.txt").read_text()


def test_of_two_processes_that_build_at_once_the_first_to_end_is_kept(tmp_path: Path) -> None:
    def slow(*arguments: object) -> None:
        build(tmp_path / "atlas", "mner", draw)
        (tmp_path / "atlas" / "read").touch()
        draw(*arguments)

    build(tmp_path / "atlas", "mner", slow)
    assert (tmp_path / "atlas" / "read").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["atlas"]


def test_an_atlas_may_be_read_by_whom_other_folders_may(tmp_path: Path) -> None:
    (tmp_path / "ordinary").mkdir()
    build(tmp_path / "atlas", "mner", draw)
    assert (tmp_path / "atlas").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
