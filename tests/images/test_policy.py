"""Which of an entity's images are used, and by which group."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.data.graph import Graph
from mkgc.data.settings import DataSettings
from mkgc.images.policy import entity_images

FILES = tuple(Path(f"images/m.07/{i}.jpg") for i in range(10))


def chosen(files: tuple[Path, ...] = FILES, **settings: object) -> dict[str, tuple[Path, ...]]:
    """What a graph of one entity with these files shows."""
    triples = {split: np.zeros((0, 3), np.int64) for split in ("train", "dev", "test")}
    graph = Graph(("e",), ("e",), ("",), (), (), ({"image": files},), triples)
    given: dict[str, Any] = {"root": "", "images": {"image": 8}, **settings}
    return dict(entity_images(graph, DataSettings(**given))[0])


def test_without_a_seed_the_first_by_name_are_used_whatever_the_order_of_the_folder() -> None:
    assert chosen(FILES[::-1], max_images=2) == {"image": FILES[:2]}


def test_a_seed_draws_the_same_whatever_the_order_of_the_folder() -> None:
    drawn = chosen(max_images=3, image_seed=0)["image"]
    assert drawn == chosen(FILES[::-1], max_images=3, image_seed=0)["image"] != FILES[:3]
    assert drawn != chosen(max_images=3, image_seed=1)["image"]


def test_a_draw_does_not_depend_on_where_the_data_lie() -> None:
    moved = tuple(Path("elsewhere") / path for path in FILES)
    names = [path.name for path in chosen(max_images=3, image_seed=0)["image"]]
    assert [path.name for path in chosen(moved, max_images=3, image_seed=0)["image"]] == names


def test_fewer_files_leave_the_others_in_the_draw() -> None:
    drawn = chosen(max_images=3, image_seed=0)["image"]
    rest = tuple(path for path in FILES if path != drawn[0])
    assert chosen(rest, max_images=3, image_seed=0)["image"][:2] == drawn[1:]


@pytest.mark.parametrize("max_images", [3, 2])
def test_several_groups_share_an_entitys_images_as_in_the_released_code(max_images: int) -> None:
    sizes = {"image": 224, "crops": 128, "objects": 64}
    shares = {"image": FILES[:1], "crops": FILES[1:4][:max_images], "objects": FILES[4:7][:max_images]}
    assert chosen(images=sizes, max_images=max_images) == shares
