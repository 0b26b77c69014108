"""What does not learn is in evaluation mode, and its states are the same wherever they come from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from mkgc.batch import Images, Shared, Text
from mkgc.models.fusion_encoder import FusionEncoder
from mkgc.training.checkpoint import build_backbone

Config = Callable[..., DictConfig]


def text_of(*rows: list[int], width: int) -> Text:
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[i < len(row) for i in range(width)] for row in rows])
    return Text(ids, mask, torch.zeros_like(ids))


PIXELS = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TEXT = text_of([2, 7, 3], [2, 5, 5, 3], [2, 7, 3], width=4)
IMAGES = Images("image", PIXELS, torch.tensor([[0, 1], [2, -1], [-1, -1]]))


@pytest.fixture
def backbone(tiny: Config, tmp_path: Path) -> Callable[..., FusionEncoder]:
    def build(*overrides: str) -> FusionEncoder:
        torch.manual_seed(0)
        frozen = ("backbone.trainable_layers=1", "backbone.side_trainable_layers=1")
        return build_backbone(tiny("mner", tmp_path, *frozen, *overrides))

    return build


def test_frozen_layers_compute_what_learning_ones_do(backbone: Callable[..., FusionEncoder]) -> None:
    frozen = backbone().eval()
    free = backbone("backbone.trainable_layers=null", "backbone.side_trainable_layers=null").eval()
    states = frozen(TEXT, [IMAGES]).text[TEXT.mask], free(TEXT, [IMAGES]).text[TEXT.mask]
    assert torch.allclose(*states, atol=1e-5)


@pytest.mark.parametrize("known", [[0], [2], [1, 2], [0, 1, 2]])
def test_states_that_a_batch_carries_are_not_computed(known: list[int], backbone: Callable[..., FusionEncoder]) -> None:
    network = backbone().eval()
    expected = network(TEXT, [IMAGES]).text
    others = [row for row in range(3) if row not in known]
    order = torch.tensor([*known, *others]).argsort()
    text, side = network.lower_text(TEXT), network.lower_side([IMAGES])
    text, images = (
        replace(x, shared=Shared(torch.tensor(others, dtype=torch.long), order, s.states[known], s.mask[known]))
        for x, s in ((TEXT, text), (IMAGES, side))
    )
    rows: list[int] = []
    for encoder in (network.text, network.side):
        encoder.embed = lambda x, e=encoder.embed: rows.append(len(e(x).states)) or e(x)
    torch.testing.assert_close(network(text, [images]).text, expected, rtol=0, atol=1e-6)
    assert rows == ([] if not others else [len(others)] * 2)


def test_what_learns_is_what_lies_above(backbone: Callable[..., FusionEncoder]) -> None:
    network = backbone().train()
    network(TEXT, [IMAGES]).text.sum().backward()
    learned = {name for name, p in network.named_parameters() if p.grad is not None}
    assert learned == {name for name, p in network.named_parameters() if p.requires_grad}
    assert all("layers.1" in name or name.startswith("fusions") for name in learned)


def test_what_does_not_learn_has_no_dropout(backbone: Callable[..., FusionEncoder]) -> None:
    network = backbone().train()
    lower, upper = network.text.layers
    assert (lower.training, upper.training, network.text.embeddings.training) == (False, True, False)


def test_everything_else_is_built_ready_for_training(backbone: Callable[..., FusionEncoder]) -> None:
    """Pretrained encoders are loaded in evaluation mode, and Lightning leaves modules as they are."""
    free = backbone("backbone.trainable_layers=null", "backbone.side_trainable_layers=null")
    assert all(module.training for module in free.modules())


def test_fewer_trained_layers_than_fused_ones_are_refused(backbone: Callable[..., FusionEncoder]) -> None:
    with pytest.raises(
        InstantiationException, match=r"backbone\.trainable_layers must be at least 1: what is fused has to"
    ):
        backbone("backbone.trainable_layers=0")


def test_the_released_fusion_reaches_one_layer_further(tiny: Config, tmp_path: Path) -> None:
    config = tiny("mner", tmp_path, "backbone=mkgformer_released", "backbone.trainable_layers=1")
    with pytest.raises(InstantiationException, match=r"backbone\.trainable_layers must be at least 2"):
        build_backbone(config)
