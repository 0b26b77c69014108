from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from mkgc.errors import ConfigError
from mkgc.training.optim import Optim, build_optimizer, linear_schedule


def model() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "backbone": nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.LayerNorm(4)),
            "head": nn.Linear(4, 2),
        }
    )


def optimiser(network: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    optim = Optim(0.1, **{"head_lr": 0.5, "weight_decay": 0.01, **settings})
    return build_optimizer(optim, network.named_parameters(), is_head=lambda name: "head" in name)


def settings(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Rate and decay of each parameter by name."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    groups = optimizer.param_groups
    return {names[p]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


def rates(total_steps: int, warmup: float) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = linear_schedule(optimizer, total_steps, warmup)
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


def test_steps_beyond_the_planned_ones_change_nothing() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert linear_schedule(optimizer, 3, 0.0).lr_lambdas[0](9) == 0


def test_a_warm_up_may_have_a_number_of_steps() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = linear_schedule(optimizer, 10, 0.5, warmup_steps=2)
    found = []
    for _ in range(4):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found == [0.0, 0.5, 1.0, 0.875]
    with pytest.raises(ConfigError, match="optim.warmup_steps=-1 must not be negative"):
        Optim(1.0, warmup_steps=-1)


@pytest.mark.parametrize("warmup", [-0.1, 1.0, 500.0])
def test_a_warm_up_that_is_no_share_is_an_error(warmup: float) -> None:
    with pytest.raises(ConfigError, match=f"optim.warmup={warmup} "):
        rates(10, warmup)


def test_a_schedule_over_no_steps_is_an_error() -> None:
    with pytest.raises(ConfigError, match="over 0 steps"):
        rates(0, 0.1)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adagrad, torch.optim.SGD, torch.optim.RAdam])
def test_any_optimiser_of_torch_gets_the_same_groups(kind: type[torch.optim.Optimizer]) -> None:
    network = model()
    found = optimiser(network, optimizer=kind)
    assert type(found) is kind
    assert settings(network, found) == settings(network, optimiser(network))


def test_an_optimiser_has_its_own_settings() -> None:
    found = optimiser(model(), optimizer=partial(torch.optim.AdamW, betas=(0.8, 0.9)))
    assert {group["betas"] for group in found.param_groups} == {(0.8, 0.9)}


def test_an_optimiser_that_cannot_decay_weights_is_not_asked_to() -> None:
    with pytest.raises(ConfigError, match=r"^optim.weight_decay=0.01: SparseAdam cannot decay weights; set it to 0$"):
        Optim(0.1, optimizer=torch.optim.SparseAdam)
    assert Optim(0.1, weight_decay=0.0, optimizer=torch.optim.SparseAdam).sparse


def test_sparse_gradients_move_only_their_rows() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    found = optimiser(table, optimizer=torch.optim.SparseAdam, weight_decay=0.0)
    table(torch.tensor([2])).sum().backward()
    found.step()
    assert (table.weight != before).any(1).tolist() == [False, False, True, False]


@pytest.mark.parametrize("wrong", [nn.Linear, partial(dict)], ids=["a layer", "a dictionary"])
def test_what_is_no_optimiser_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"must name an optimiser, as _target_=torch\.optim\.AdamW"):
        Optim(0.1, optimizer=wrong)


def test_an_optimiser_that_does_not_take_the_parameters_says_so() -> None:
    with pytest.raises(ConfigError, match="optim.optimizer=LBFGS: .*per-parameter"):
        optimiser(model(), optimizer=torch.optim.LBFGS, weight_decay=0.0)
