import pytest
import torch
from torch import nn
from transformers import get_linear_schedule_with_warmup

from mkgc.errors import ConfigError
from mkgc.training import optim
from mkgc.training.optim import linear_warmup


def model() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "backbone": nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.LayerNorm(4)),
            "head": nn.Linear(4, 2),
        }
    )


def optimiser(network: nn.Module, head_lr: float | None = 0.5) -> torch.optim.Optimizer:
    named = network.named_parameters()
    return optim.optimiser(named, 0.1, weight_decay=0.01, head_lr=head_lr, is_head=lambda name: "head" in name)


def settings(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Rate and decay of each parameter by name."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    groups = optimizer.param_groups
    return {names[p]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


def rates(total_steps: int, warmup: float) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = linear_warmup(optimizer, total_steps, warmup)
    out = []
    for _ in range(total_steps + 1):
        out.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return out


def test_heads_have_their_rate_and_vectors_no_decay() -> None:
    network = model()
    assert settings(network, optimiser(network)) == {
        "backbone.0.weight": (0.1, 0.01),
        "backbone.1.weight": (0.1, 0.01),
        "backbone.1.bias": (0.1, 0.0),
        "backbone.2.weight": (0.1, 0.0),
        "backbone.2.bias": (0.1, 0.0),
        "head.weight": (0.5, 0.01),
        "head.bias": (0.5, 0.0),
    }


def test_without_a_rate_of_their_own_heads_have_the_common_one() -> None:
    network = model()
    assert {rate for rate, _ in settings(network, optimiser(network, head_lr=None)).values()} == {0.1}


def test_every_trainable_parameter_is_optimised_once_and_no_frozen_one() -> None:
    network = model()
    network["backbone"][1].requires_grad_(False)
    listed = [parameter for group in optimiser(network).param_groups for parameter in group["params"]]
    assert len(listed) == len(set(listed))
    assert set(listed) == {parameter for parameter in network.parameters() if parameter.requires_grad}


def test_weights_shared_under_two_names_are_optimised_once() -> None:
    network = model()
    network["backbone"].append(network["backbone"][1])
    assert len(settings(network, optimiser(network))) == 7


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no parameter is trainable"):
        optimiser(model().requires_grad_(False))


def test_the_rate_rises_over_the_warm_up_and_falls_to_zero() -> None:
    assert rates(6, 1 / 3) == pytest.approx([0, 1 / 2, 1, 3 / 4, 1 / 2, 1 / 4, 0])


def test_without_warm_up_the_rate_begins_at_its_height() -> None:
    assert rates(4, 0.0) == pytest.approx([1, 3 / 4, 1 / 2, 1 / 4, 0])


@pytest.mark.parametrize(("total_steps", "warmup"), [(100, 0.06), (33, 0.1), (7, 0.01), (1, 0.9)])
def test_the_schedule_is_that_of_transformers(total_steps: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, int(warmup * total_steps), total_steps)
    expected = [theirs.lr_lambdas[0](step) for step in range(total_steps + 1)]
    assert rates(total_steps, warmup) == pytest.approx(expected)


def test_steps_beyond_the_planned_ones_change_nothing() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert linear_warmup(optimizer, 3, 0.0).lr_lambdas[0](9) == 0


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 500.0])
def test_a_warm_up_that_is_no_share_is_an_error(warmup: float) -> None:
    with pytest.raises(ConfigError, match=f"optim.warmup={warmup} "):
        rates(10, warmup)


def test_a_schedule_over_no_steps_is_an_error() -> None:
    with pytest.raises(ConfigError, match="over 0 steps"):
        rates(0, 0.1)
