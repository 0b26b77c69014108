"""What the released MKGformer does is one choice, and overrides of images work on every layout."""

import pytest
from hydra.utils import instantiate

from mkgc.app.config import check
from tests.conftest import composed

GROUPS = "data.images={image: 224, crops: 128, objects: 64}"
LAYOUTS = [
    ("mre", "mnre"),
    ("mre", "jsonl"),
    ("mre", "atlas"),
    ("mner", "twitter2015"),
    ("mner", "twitter2017"),
    ("link_prediction", "fb15k237_img"),
    ("link_prediction", "wn18_img"),
    ("link_prediction", "wn18rr"),
    ("link_prediction", "tsv"),
    ("link_prediction", "mmkg"),
    ("link_prediction", "folder"),
    ("link_prediction", "atlas_graph"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "data"), LAYOUTS)
def test_crops_and_objects_can_be_added_to_every_layout_and_left_out_again(task: str, data: str) -> None:
    for overrides, groups in (
        ([GROUPS], {"image": 224, "crops": 128, "objects": 64}),
        ([GROUPS, "~data.images.objects"], {"image": 224, "crops": 128}),
        ([GROUPS, "data.images.image=null"], {"crops": 128, "objects": 64}),
        (
            ["data.images.crops=96", "data.images.image=48", "data.images.objects=null"],
            {"image": 48, "crops": 96},
        ),
    ):
        config = composed(f"task={task}", f"data={data}", "data.root=x", *overrides)
        check(config)
        assert instantiate(config.data).images == groups


@pytest.mark.parametrize("name", ["train", "convert"])
@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_the_released_form_is_one_choice(task: str, name: str) -> None:
    chosen = [f"experiment=mkgformer_released_{task}"] if name == "train" else [f"task={task}"]
    config = composed(*chosen, "data.root=x", name=name)
    if name == "train":
        check(config)
        side = config.backbone.side
        linking = task == "link_prediction"
        assert (side.class_token, side.positions, config.backbone.fused) == (not linking, not linking, 4)
    settings = instantiate(config.data)
    assert (settings.pad, settings.fit, settings.max_images) == (True, "crop", 3)
    whole = {"image": 224} if task == "link_prediction" else {}
    assert settings.images == whole | {"crops": 128, "objects": 64}
    model, data = config.task.model, config.task.data
    if task == "mre":
        assert (settings.max_length, data.markers, model.pooling) == (80, "released", "markers")
    elif task == "mner":
        assert (settings.max_length, model.pooling) == (128, "pieces")
    else:
        assert (config.protocol, data.protocol, data.examples, model.objective) == ("paper", "paper", "repeated", "bce")


def test_released_lengths_are_defaults_that_a_user_may_change() -> None:
    assert composed("task=mre", "data=mnre", "data.max_length=20", name="convert").data.max_length == 20
    assert composed("task=link_prediction", "data=wn18_img", name="convert").data.max_length == 32


def test_a_backbone_whose_images_read_padding_pads_by_default() -> None:
    for backbone, pads in (("mkgformer_released", (True, "crop")), ("mkgformer", (False, "stretch"))):
        data = composed("task=mre", "data=mnre", "data.root=x", f"backbone={backbone}").data
        assert (data.pad, data.fit) == pads
