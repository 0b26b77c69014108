"""Scene graphs: read beside a data set or with a record, counted where they are missing, refused where wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.check import check_data
from mkgc.data.atlas.draw import BLUE, RED, Land, Map, Window, draw_pair
from mkgc.data.atlas.facts import Country, countries
from mkgc.data.atlas.scene import describe
from mkgc.data.dataset import read_dataset
from mkgc.data.formats.scene_graphs import parse_scene, read_scenes
from mkgc.data.scene_batch import SceneFeatures, scene_batch
from mkgc.data.scenes import SceneGraph, SceneObject, SceneRelation
from mkgc.errors import ConfigError, DataError
from tasks.mner.atlas import draw_city
from tasks.mre.atlas import direction
from tests.conftest import TINY, composed

MAN = {"name": "man", "attributes": ["tall"], "box": [0.1, 0, 0.5, 1]}
HAT = {"name": "hat", "box": [0.2, 0, 0.4, 0.2]}
SCENE = {"objects": [MAN, HAT], "relations": [[0, "wears", 1]]}


def test_objects_have_boxes_and_attributes_and_relations_are_triples() -> None:
    scene = parse_scene(SCENE, "here")
    assert scene == SceneGraph(
        (SceneObject("man", (0.1, 0.0, 0.5, 1.0), ("tall",)), SceneObject("hat", (0.2, 0.0, 0.4, 0.2))),
        (SceneRelation(0, "wears", 1),),
    )
    assert [one.phrase for one in scene.objects] == ["tall man", "hat"]
    assert scene.first(1) == SceneGraph(scene.objects[:1])
    assert parse_scene({"objects": []}, "here") == SceneGraph()


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ([], "a scene graph must be a mapping with objects, relations"),
        ({}, "the key 'objects' is missing in 'scene'"),
        ({"objects": [], "edges": []}, "a scene graph has no key 'edges'; there are objects, relations"),
        ({"objects": {}}, "'objects' of a scene graph must be a list"),
        ({"objects": ["man"]}, "an object of a scene graph must be a mapping"),
        ({"objects": [{"name": "man"}]}, "the key 'box' is missing in 'objects'"),
        ({"objects": [MAN | {"name": ""}]}, "names and attributes of objects are words"),
        ({"objects": [MAN | {"attributes": "tall"}]}, "'attributes' of a scene graph must be a list"),
        ({"objects": [MAN | {"attributes": [3]}]}, "names and attributes of objects are words"),
        ({"objects": [MAN | {"box": [0, 0, 1]}]}, r"'box' must be \[left, top, right, bottom\]"),
        ({"objects": [MAN | {"box": [0, 0, True, 1]}]}, r"'box' must be \[left, top, right, bottom\]"),
        ({"objects": [MAN | {"box": [0, 0, 640, 480]}]}, "must be shares of the image"),
        ({"objects": [MAN | {"box": [0.5, 0, 0.5, 1]}]}, "must be shares of the image"),
        ({"objects": [MAN], "relations": [[0, "wears", 1]]}, "names the object 1, and the scene graph has 1 from 0 on"),
        ({"objects": [], "relations": [[0, "wears", 0]]}, "names the object 0, and the scene graph has 0 from 0 on"),
        ({"objects": [MAN], "relations": [[0, "wears"]]}, "a relation is "),
        ({"objects": [MAN], "relations": [[0, 1, 0]]}, "a relation is "),
    ],
)
def test_what_is_no_scene_graph_is_one_line_with_its_place(scene: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^here: .*{said}"):
        parse_scene(scene, "here")


def test_a_damaged_file_is_one_line_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "scene_graphs.jsonl"
    for text, said in (
        ("", "is empty"),
        ("{", "jsonl:1: is not JSON"),
        ('{"objects": []}', "jsonl:1: the key 'image' is missing"),
        ('{"image": 3, "objects": []}', "jsonl:1: 'image' must be the name of an image"),
        ('{"image": "a.png", "objects": []}\n' * 2, "jsonl:2: the image 'a.png' has two scene graphs"),
        ('{"image": "a.png", "objects": [3]}', "jsonl:1: an object of a scene graph"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=said):
            read_scenes(file)


def test_features_are_padded_with_room_for_one_object_and_one_relation() -> None:
    box = (0.0, 0.0, 0.5, 1.0)
    batch = scene_batch([SceneFeatures((box, box), ((7, 8), (9,)), ((1, 0),), ((5,),)), SceneFeatures()])
    assert batch.boxes.shape == (2, 2, 4)
    assert batch.detected.tolist() == [[True, True], [False, False]]
    assert batch.names.tolist() == [[[7, 8], [9, -1]], [[-1, -1], [-1, -1]]]
    assert batch.relations.tolist() == [[[1, 0]], [[-1, -1]]]
    assert batch.related.tolist() == [[True], [False]]
    assert batch.predicates.tolist() == [[[5]], [[-1]]]
    nothing = scene_batch([SceneFeatures()])
    assert (nothing.boxes.shape, nothing.relations.shape) == ((1, 1, 4), (1, 1, 2))
    assert not nothing.detected.any()


@pytest.mark.parametrize("name", ["mre", "mner"])
@pytest.mark.slow
def test_a_backbone_that_reads_scene_graphs_gets_those_of_each_image(
    name: str, roots: dict[str, Path], tiny: Callable[..., Any]
) -> None:
    dataset = read_dataset(tiny(name, roots[name], "backbone=bert_sg"))
    batch = dataset.processor.collate(dataset.features["train"][:5], dataset.store)
    assert batch.scene.detected.sum(1).tolist() == [2] * 5
    assert batch.scene.relations[:, 0].tolist() == [[1, 0]] * 5
    with_colour = dataset.processor.tokenizer.ids("red square")
    assert {*with_colour} & {*batch.scene.names.flatten().tolist()}
    fewer = read_dataset(tiny(name, roots[name], "backbone=bert_sg", "data.max_objects=1"))
    assert fewer.processor.collate(fewer.features["train"][:5], fewer.store).scene.boxes.shape[1] == 1
    without = read_dataset(tiny(name, roots[name], "backbone=mkgformer"))
    assert without.processor.collate(without.features["train"][:5], without.store).scene is None
    assert without.processor.settings.max_objects is None


def test_scene_graphs_go_by_the_names_of_images_that_are_not_read(mre_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny("mre", mre_root, "backbone=bert_sg", "data.images.image=null"))
    batch = dataset.processor.collate(dataset.features["train"][:5], dataset.store)
    assert batch.images == ()
    assert batch.scene.detected.any(1).all()


def test_a_data_set_without_scene_graphs_is_one_line(mre_root: Path, tiny: Callable[..., Any]) -> None:
    (mre_root / "scene_graphs.jsonl").unlink()
    with pytest.raises(
        DataError, match=r"scene_graphs.jsonl: no such file: this backbone reads scene graphs .*, or crops"
    ):
        read_dataset(tiny("mre", mre_root, "backbone=mega"))


def test_crops_may_stand_in_for_scene_graphs(mre_root: Path, tiny: Callable[..., Any]) -> None:
    (mre_root / "scene_graphs.jsonl").unlink()
    for split in ("train", "val", "test"):
        torch.save({i: [f"{i}.png"] for i in range(24)}, mre_root / "txt" / f"mre_{split}_dict.pth")
        crops = mre_root / "img_vg" / split / "crops"
        crops.mkdir(parents=True)
        for image in (mre_root / "img_org" / split).iterdir():
            (crops / image.name).write_bytes(image.read_bytes())
    dataset = read_dataset(tiny("mre", mre_root, "backbone=umgf", "data.images.crops=32"))
    assert any("objects that the backbone reads are crops, without names" in note.text for note in dataset.notes)
    batch = dataset.processor.collate(dataset.features["train"][:5], dataset.store)
    assert not batch.scene.detected.any()
    assert [group.group for group in batch.images] == ["image", "crops"]


def test_images_that_no_sentence_names_and_sentences_without_a_scene_graph_are_counted(
    mre_root: Path, tmp_path: Path
) -> None:
    file = mre_root / "scene_graphs.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["image"], lines[1]["image"] = "zebra.png", "img_org/val/none.png"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    keys = ("task=mre", f"data.root={mre_root}", *TINY, "backbone=mega")
    config = composed(*keys, f"output={tmp_path}/check", name="check")
    notes = [note.text for note in read_dataset(config).notes]
    assert "2 of 40 scene graphs are of images that no sentence names, first 'img_org/val/none.png'" in notes
    report = check_data(config)
    table = next(table for table in report.tables if table.title == "Scene graphs")
    assert [row[:3] for row in table.rows] == [("train", 24, 22), ("dev", 8, 8), ("test", 8, 8)]
    assert {"2 of 24 sentences of train without a scene graph", notes[-1]} <= {f.text for f in report.findings}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("data.flip=true", "data.flip=true moves what is seen"),
        ("data.translate=0.1", "data.translate moves what is seen"),
        ("data.fit=crop", "data.fit=crop moves what is seen"),
        ("data.max_objects=null", "data.max_objects=null: this backbone reads scene graphs"),
        ("data.max_objects=0", "data.max_objects=0 must be at least 1"),
    ],
)
def test_settings_under_which_boxes_would_not_fit_are_one_line(
    key: str, said: str, mre_root: Path, tiny: Callable[..., Any]
) -> None:
    with pytest.raises(Exception, match=said) as caught:
        read_dataset(tiny("mre", mre_root, "backbone=bert_sg", key))
    assert isinstance(caught.value, ConfigError) or isinstance(caught.value.__cause__, ConfigError)


def test_a_record_has_its_own_scene_graph(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    record = {"tokens": ["Ada", "saw", "Bob"], "head": [0, 1], "tail": [2, 3]}
    for split in ("train", "dev", "test"):
        rows = [record | {"relation": relation, "scene": SCENE} for relation in ("likes", "knows")]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = read_dataset(tiny("mre", tmp_path, "data=jsonl", "backbone=mega", "data.images.image=32"))
    assert dataset.source.splits["train"][0].scene == parse_scene(SCENE, "")
    asked = [record | {"scene": SCENE}, record, record | {"scene": None}]
    features = [dataset.processor.parse(one, tmp_path, "record") for one in asked]
    assert dataset.processor.collate(features, dataset.store).scene.detected.sum(1).tolist() == [2, 0, 0]
    with pytest.raises(DataError, match="record 1: 'box'"):
        dataset.processor.parse(record | {"scene": {"objects": [HAT | {"box": 3}]}}, tmp_path, "record 1")


@pytest.fixture(scope="module")
def world() -> dict[str, Country]:
    return countries()


def named(scene: dict[str, Any]) -> dict[str, int]:
    return {" ".join([*one.get("attributes", []), one["name"]]): i for i, one in enumerate(scene["objects"])}


def test_the_atlas_describes_what_its_maps_show(world: dict[str, Country]) -> None:
    land = Land(world.values())
    for head, tail in (("NO", "IT"), ("PT", "ES"), ("AR", "BR")):
        scene = describe(draw_pair(world[head], world[tail], land))
        parse_scene(scene, "Atlas")
        at = named(scene)
        red, blue = at["red country"], at["blue country"]
        held = {predicate for i, predicate, j in scene["relations"] if (i, j) == (red, blue)}
        where = {"north_of": "above", "south_of": "below", "east_of": "right of", "west_of": "left of"}
        assert where[str(direction(world[head], world[tail]))] in held
        assert ("touches" in held) == (tail in world[head].borders)
        assert not any(name in json.dumps(scene) for name in (world[head].name, world[tail].name))


def test_the_atlas_tells_a_dot_from_a_country(world: dict[str, Country]) -> None:
    from random import Random

    scene = describe(draw_city(world["FR"], Land(world.values()), Random(0)))
    at = named(scene)
    assert "red dot" in at
    assert "red country" not in at
    assert [at["red dot"], "in", at["country"]] in scene["relations"] or len(scene["objects"]) > 2


def test_an_object_of_which_nothing_is_seen_is_not_found() -> None:
    drawn = Map(Window(0.0, 0.0, 10.0, 1.0), None)
    drawn.dot((0.0, 0.0), BLUE)
    drawn.dot((0.0, 0.0), RED, radius=0.2)
    assert named(describe(drawn)) == {"red dot": 0}
