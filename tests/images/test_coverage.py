import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mkgc.data.graph import Graph
from mkgc.data.settings import DataSettings
from mkgc.errors import DataError
from mkgc.images.coverage import Coverage, Row, check_minimum
from mkgc.images.policy import load_graph_images, load_images
from mkgc.reports.console import drawn
from tasks.mner.example import TaggedExample

SIZES = {"image": 16, "crops": 8}


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., tuple[Path, ...]]:
    """Paths of images: what a name begins with says what is wrong with the file."""
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    content = {
        "good": (tmp_path / "x.png").read_bytes(),
        "cut": (tmp_path / "x.png").read_bytes()[:900],
        "empty": b"",
        "text": b"<html>",
    }

    def paths(*names: str) -> tuple[Path, ...]:
        for name in names:
            if name[:-1] in content:
                (tmp_path / name).write_bytes(content[name[:-1]])
        return tuple(tmp_path / name for name in names)

    return paths


@pytest.fixture
def examples(files: Callable[..., tuple[Path, ...]]) -> dict[str, list[TaggedExample]]:
    def example(name: str, **images: str) -> TaggedExample:
        return TaggedExample(name, ("a",), images={group: files(*p.split()) for group, p in images.items()})

    return {
        "train": [
            example("both", image="good1", crops="good2 good3"),
            example("cut", image="cut1", crops="good4"),
            example("gone", image="none1", crops="cut1 empty1 good5"),
            example("bare"),
        ],
        "dev": [example("shared", image="good1"), example("page", image="text1")],
    }


def settings(**changes: Any) -> DataSettings:
    return DataSettings(root=".", **{"images": SIZES, **changes})


HEADS = "split images examples with one named usable missing broken"

TRAIN_IMAGE = Row("train", "image", 4, 1, 3, 1, {"truncated": 1, "missing": 1})
TRAIN_CROPS = Row("train", "crops", 4, 3, 6, 4, {"truncated": 1, "empty": 1})
DEV_IMAGE = Row("dev", "image", 2, 1, 2, 1, {"not an image": 1})
DEV_CROPS = Row("dev", "crops", 2, 0, 0, 0, {})


def test_what_is_there_is_counted_for_each_split_and_group(examples: dict[str, list[TaggedExample]]) -> None:
    _, _, coverage = load_images(examples, settings())
    assert coverage.rows == (TRAIN_IMAGE, TRAIN_CROPS, DEV_IMAGE, DEV_CROPS)
    assert [row.share for row in coverage.rows] == [0.25, 0.75, 0.5, 0.0]


def test_every_figure_is_printed() -> None:
    rows = (Row("train", "image", 12_247, 6_000, 7_356, 7_300, {"truncated": 2, "missing": 50, "huge": 4}), DEV_IMAGE)
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(drawn(Coverage(rows).table()))
    lines = console.export_text().splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert " ".join(lines[1].replace("┃", " ").split()) == HEADS
    assert cells == [
        ["train", "image", "12,247", "6,000 (49%)", "7,356", "7,300", "50", "4 huge, 2 truncated"],
        ["dev", "image", "2", "1 (50%)", "2", "1", "0", "1 not an image"],
    ]


def test_the_figures_are_plain_values_for_the_record() -> None:
    row: dict[str, Any] = {"split": "dev", "group": "image", "examples": 2, "covered": 1, "named": 2, "usable": 1}
    assert Coverage((DEV_IMAGE,)).as_dict() == [{**row, "broken": {"not an image": 1}}]


def test_only_as_many_images_as_are_used_are_read(examples: dict[str, list[TaggedExample]]) -> None:
    kept, store, coverage = load_images(examples, settings(max_images=1))
    assert [row.named for row in coverage.rows] == [3, 3, 2, 0]
    assert [path.name for path in kept["train"][0].images["crops"]] == ["good2"]
    assert store.count(8) == 2


def test_groups_that_are_not_asked_for_are_not_read(examples: dict[str, list[TaggedExample]]) -> None:
    kept, _, coverage = load_images(examples, settings(images={"image": 16}))
    assert coverage.rows == (TRAIN_IMAGE, DEV_IMAGE)
    assert kept["train"][0].images.keys() == {"image"}
    kept, _, coverage = load_images(examples, settings(images={}))
    assert (coverage.rows, kept["train"][0].images) == ((), {})


def test_mask_keeps_every_example_and_gives_bad_images_no_pixels(examples: dict[str, list[TaggedExample]]) -> None:
    kept, store, _ = load_images(examples, settings(bad_images="mask"))
    assert [e.id for e in kept["train"]] == ["both", "cut", "gone", "bare"]
    gone = kept["train"][2].images["crops"]
    assert [store.index(path, 8) is None for path in gone] == [True, True, False]


def test_skip_leaves_out_the_examples_with_a_bad_image(examples: dict[str, list[TaggedExample]]) -> None:
    kept, _, coverage = load_images(examples, settings(bad_images="skip"))
    assert [[e.id for e in part] for part in kept.values()] == [["both", "bare"], ["shared"]]
    assert coverage.rows[0] == TRAIN_IMAGE, "the report is of what was found"


def test_skip_may_not_empty_a_split(examples: dict[str, list[TaggedExample]]) -> None:
    with pytest.raises(DataError) as error:
        load_images({**examples, "dev": examples["dev"][1:]}, settings(bad_images="skip"))
    assert str(error.value).startswith("no example of dev is left: each has an image that cannot be used, as ")


def test_fail_names_the_first_bad_image_and_how_many_there_are(examples: dict[str, list[TaggedExample]]) -> None:
    (bad,) = examples["train"][1].images["image"]
    with pytest.raises(DataError) as error:
        load_images(examples, settings(bad_images="fail", images={"image": 16}))
    message = str(error.value)
    assert message.startswith(f"{bad}: truncated (")
    assert message.endswith("; 3 images in all cannot be used, and data.bad_images=fail")
    assert "\n" not in message


def test_fail_passes_where_nothing_is_wrong(examples: dict[str, list[TaggedExample]]) -> None:
    good = {"train": examples["train"][:1], "dev": examples["dev"][:1]}
    kept, _, coverage = load_images(good, settings(bad_images="fail"))
    assert [len(part) for part in kept.values()] == [1, 1]
    assert all(row.broken == {} for row in coverage.rows)


@pytest.mark.parametrize("least", [0.0, 0.25])
def test_a_split_with_enough_images_passes(least: float) -> None:
    check_minimum(Coverage((TRAIN_IMAGE,)), least)


def test_a_split_with_too_few_images_is_fatal(examples: dict[str, list[TaggedExample]]) -> None:
    with pytest.raises(DataError) as error:
        load_images(examples, settings(images={"image": 16}, min_image_coverage=0.3))
    said = "only 1 of 4 examples of train (25.0%) has a usable image in 'image'"
    assert str(error.value) == f"{said}, data.min_image_coverage=0.3 asks for more"


@pytest.fixture
def graph(files: Callable[..., tuple[Path, ...]]) -> Graph:
    images = ({"image": files("good1", "good2")}, {"image": files("empty1", "good3")}, {"image": ()})
    names = ("a", "b", "c")
    return Graph(names, names, names, ("r",), ("r",), images, {"train": np.array([[0, 0, 1]])})


@pytest.mark.parametrize("policy", ["mask", "skip"])
def test_an_entity_is_never_left_out(graph: Graph, policy: str) -> None:
    seen, store, coverage = load_graph_images(graph, settings(images={"image": 16}, bad_images=policy))
    assert (seen.entities, seen.triples["train"].tolist()) == (graph.entities, [[0, 0, 1]])
    assert coverage.rows == (Row("entities", "image", 3, 2, 4, 3, {"empty": 1}),)
    assert [store.index(path, 16) for p in seen.images for path in p["image"]] == [0, 1, 2, None]


def test_a_graph_with_a_bad_image_can_be_fatal_too(graph: Graph) -> None:
    with pytest.raises(DataError, match=r"empty1: empty; 1 image in all cannot be used"):
        load_graph_images(graph, settings(images={"image": 16}, bad_images="fail"))
    with pytest.raises(DataError, match=r"only 2 of 3 examples of entities \(66\.7%\) have a usable image"):
        load_graph_images(graph, settings(images={"image": 16}, min_image_coverage=0.7))


def test_a_broken_image_of_an_entity_gives_its_place_to_another(files: Callable[..., tuple[Path, ...]]) -> None:
    broken, good, second = files("empty1", "good1", "good2")
    names = ("a", "b")
    images = ({"image": (broken, good, second)}, {"image": ()})
    graph = Graph(names, names, names, ("r",), ("r",), images, {"train": np.array([[0, 0, 1]])})
    seen, store, coverage = load_graph_images(graph, settings(images={"image": 16}, max_images=1))
    assert seen.images[0] == {"image": (good, broken)}
    assert coverage.rows == (Row("entities", "image", 2, 1, 2, 1, {"empty": 1}),)
    assert store.count(16) == 1
