"""What does not learn runs once for each input, and nothing else changes."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from mkgc.batch import Images, Text
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.nn.kept import KeptStates
from mkgc.train import train

Config = Callable[..., DictConfig]


def text_of(*rows: list[int], width: int) -> Text:
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[i < len(row) for i in range(width)] for row in rows])
    return Text(ids, mask, torch.zeros_like(ids))


def images_of(*slots: list[int], images: Tensor) -> Images:
    return Images("image", images, torch.tensor(slots))


PICTURES = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
FIRST = text_of([2, 9, 8, 3], [2, 7, 3], width=5), images_of([0, 1], [2, -1], images=PICTURES)
AGAIN = text_of([2, 7, 3], [2, 5, 5, 3], [2, 7, 3], width=4), images_of([2], [1], [-1], images=PICTURES)


@pytest.fixture
def backbone(tiny: Config, tmp_path: Path) -> Callable[..., FusionEncoder]:
    def build(*overrides: str) -> FusionEncoder:
        torch.manual_seed(0)
        return instantiate(
            tiny(
                "mner", tmp_path, "backbone.trainable_layers=1", "backbone.side_trainable_layers=1", *overrides
            ).backbone
        )

    return build


def test_kept_states_are_those_that_would_be_made_again(backbone: Callable[..., FusionEncoder]) -> None:
    keeps, makes = backbone().eval(), backbone("backbone.cache_gib=0.0").eval()
    for text, images in (FIRST, AGAIN, FIRST):
        kept, made = keeps(text, [images]).text, makes(text, [images]).text
        assert torch.allclose(kept[text.mask], made[text.mask], atol=1e-6)


def test_they_equal_those_of_a_backbone_that_trains_all_of_it(backbone: Callable[..., FusionEncoder]) -> None:
    frozen, free = (
        backbone().eval(),
        backbone("backbone.trainable_layers=null", "backbone.side_trainable_layers=null").eval(),
    )
    for text, images in (FIRST, AGAIN):
        states = frozen(text, [images]).text[text.mask], free(text, [images]).text[text.mask]
        assert torch.allclose(*states, atol=1e-5)


def test_what_was_seen_is_not_run_again(
    backbone: Callable[..., FusionEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = backbone().eval()
    network(FIRST[0], [FIRST[1]])
    network(AGAIN[0], [AGAIN[1]])
    for lower in (network.lower_text, network.lower_side):
        monkeypatch.setattr(lower, "_through", lambda *_: pytest.fail("run again"))
    for text, images in (FIRST, AGAIN):
        network(text, [images])


def test_states_kept_while_evaluating_can_be_trained_upon(backbone: Callable[..., FusionEncoder]) -> None:
    network = backbone()
    with torch.inference_mode():
        network.eval()(FIRST[0], [FIRST[1]])
    network.train()(FIRST[0], [FIRST[1]]).text.sum().backward()
    learned = {name for name, p in network.named_parameters() if p.grad is not None}
    assert learned == {name for name, p in network.named_parameters() if p.requires_grad}
    assert all("layers.1" in name or name.startswith("fusions") for name in learned)


def test_what_does_not_learn_has_no_dropout(backbone: Callable[..., FusionEncoder]) -> None:
    network = backbone().train()
    lower, upper = network.text.layers
    assert (lower.training, upper.training, network.text.embeddings.training) == (False, True, False)


def test_everything_else_is_built_ready_for_training(backbone: Callable[..., FusionEncoder]) -> None:
    """Pretrained encoders are loaded in evaluation mode, and Lightning leaves modules as they are."""
    assert all(
        module.training
        for module in backbone("backbone.trainable_layers=null", "backbone.side_trainable_layers=null").modules()
    )


def test_fewer_trained_layers_than_fused_ones_are_refused(backbone: Callable[..., FusionEncoder]) -> None:
    with pytest.raises(
        InstantiationException, match=r"backbone\.trainable_layers must be at least 1: what is fused has to"
    ):
        backbone("backbone.trainable_layers=0")


def test_the_released_fusion_reaches_one_layer_further(tiny: Config, tmp_path: Path) -> None:
    config = tiny("mner", tmp_path, "backbone=mkgformer_released", "backbone.trainable_layers=1")
    with pytest.raises(InstantiationException, match=r"backbone\.trainable_layers must be at least 2"):
        instantiate(config.backbone)


@pytest.mark.parametrize("task", ["mre", "mner", "link_prediction"])
def test_a_run_with_memory_ends_where_one_without_does(
    task: str, tiny: Config, roots: dict[str, Path], tmp_path: Path
) -> None:
    scores = []
    for keep in (4.0, 0.0):
        few = (
            "backbone.trainable_layers=1",
            "backbone.side_trainable_layers=1",
            f"backbone.cache_gib={keep}",
            "task.epochs=2",
            "data.batch_size=8",
        )
        scores.append(train(tiny(task, roots[task], *few), tmp_path / str(keep))["test"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_a_memory_that_holds_some_images_alone_changes_nothing(backbone: Callable[..., FusionEncoder]) -> None:
    one_image = (1 + (32 // 16) ** 2) * 32 * 4 / 2**30
    holds_one, holds_all = backbone(f"backbone.cache_gib={one_image}").eval(), backbone().eval()
    for text, images in (FIRST, AGAIN, FIRST):
        few, many = holds_one(text, [images]).text, holds_all(text, [images]).text
        assert torch.allclose(few[text.mask], many[text.mask], atol=1e-6)
    sizes = [len(network.lower_side.kept.states) for network in (holds_one, holds_all) if network.lower_side]
    assert sizes == [2, 4]  # one image and the absence of any, which takes no room


def test_a_image_that_several_examples_show_is_hashed_once(
    backbone: Callable[..., FusionEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []
    monkeypatch.setattr("mkgc.batch.blake2b", lambda data, **o: hashed.append(data) or blake2b(data, **o))
    text = text_of([2, 7, 3], [2, 5, 5, 3], [2, 7, 3], width=4)
    backbone().eval()(text, [images_of([1], [0], [1], images=PICTURES[:2])])
    assert len(hashed) == 2


def test_what_does_not_fit_is_made_anew() -> None:
    asked: list[list[int]] = []

    def make(rows: list[int]) -> tuple[Tensor, Tensor]:
        asked.append(rows)
        return torch.ones(len(rows), 2, 4), torch.tensor([[True, False]] * len(rows))

    one_state = 16 / 2**30
    keeps = KeptStates(one_state)
    for _ in range(2):
        states, mask = keeps([b"a", b"b", b"a"], make)
        assert states.shape == (3, 1, 4)
        assert mask.all()
    assert asked == [[2, 1], [1]]
