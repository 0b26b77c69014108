"""How to optimise: an optimiser of torch's with its groups of parameters, and linear warm-up and decay of its rates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from torch.nn import Parameter
from torch.optim import AdamW, Optimizer, SparseAdam
from torch.optim.lr_scheduler import LambdaLR

from mkgc.errors import ConfigError


@dataclass(frozen=True)
class Optim:
    """The optimiser and its rates: linear warm-up (a share of all steps), then linear decay to zero.

    With ``warmup_steps`` the warm-up has so many steps instead, as far as there are more.
    ``optimizer`` is a class of :mod:`torch.optim`, with settings of its own where it is a partial.
    ``head_lr`` is the rate of what is not the backbone's (heads, CRF, new tokens); None gives it ``lr`` too.

    Raises:
        ConfigError: A value cannot be.
    """

    lr: float
    head_lr: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.06
    optimizer: Callable[..., Optimizer] = AdamW
    warmup_steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("lr", "head_lr"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"optim.{name}={value} must be positive")
        if self.weight_decay < 0:
            raise ConfigError(f"optim.weight_decay={self.weight_decay} must not be negative")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"optim.warmup={self.warmup} is a share of all steps: 0 <= warmup < 1")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ConfigError(f"optim.warmup_steps={self.warmup_steps} must not be negative")
        if not (isinstance(self.kind, type) and issubclass(self.kind, Optimizer)):
            raise ConfigError(
                f"optim.optimizer={self.optimizer}: must name an optimiser, as _target_=torch.optim.AdamW"
            )
        if self.weight_decay and not self.takes("weight_decay"):
            name = self.kind.__name__
            raise ConfigError(f"optim.weight_decay={self.weight_decay}: {name} cannot decay weights; set it to 0")

    @property
    def kind(self) -> Any:
        """The optimiser's class."""
        return self.optimizer.func if isinstance(self.optimizer, partial) else self.optimizer

    @property
    def sparse(self) -> bool:
        """Whether gradients have to be sparse."""
        return bool(self.kind is SparseAdam)

    def takes(self, setting: str) -> bool:
        """Whether the optimiser has such a setting."""
        return setting in signature(self.kind).parameters


def build_optimizer(
    optim: Optim,
    named_parameters: Iterable[tuple[str, Parameter]],
    is_head: Callable[[str], bool],
    mixed: bool = False,
) -> Optimizer:
    """The optimiser of what is trainable: ``head_lr`` where ``is_head`` says so of the name, else ``lr``.

    Vectors (biases, scales of normalisations) are not decayed. ``mixed`` says that steps are made in mixed precision.

    Raises:
        ConfigError: Nothing is trainable, or the optimiser does not take what is.
    """
    groups: dict[tuple[bool, bool], list[Parameter]] = {}
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            groups.setdefault((is_head(name), parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise ConfigError("no parameter is trainable, so there is nothing to optimise: freeze fewer parts")
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": optim.head_lr if head and optim.head_lr is not None else optim.lr,
            "weight_decay": optim.weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in groups.items()
    ]
    # One pass over large tables takes half of the time; in mixed precision, Lightning would refuse to clip.
    here = all(parameter.device.type == "cpu" for parameters in groups.values() for parameter in parameters)
    options = {"fused": True} if here and not mixed and optim.takes("fused") else {}
    try:
        return optim.optimizer(settings, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"optim.optimizer={optim.kind.__name__}: {' '.join(str(error).split())}") from error


def linear_schedule(optimizer: Optimizer, total_steps: int, warmup: float, warmup_steps: int | None = None) -> LambdaLR:
    """Rates that rise from zero over the first ``warmup`` share of the steps, then fall to zero at the last.

    With ``warmup_steps``, they rise over so many steps instead.

    Raises:
        ConfigError: ``warmup`` is not in [0, 1), or there is no step.
    """
    from transformers.optimization import get_linear_schedule_with_warmup

    if not 0 <= warmup < 1:
        raise ConfigError(f"optim.warmup={warmup} is a share of all steps: 0 <= warmup < 1")
    if total_steps < 1:
        raise ConfigError(
            f"a schedule over {total_steps} steps: there must be at least one; check task.epochs and the data"
        )
    first = int(warmup * total_steps) if warmup_steps is None else min(warmup_steps, total_steps - 1)
    return get_linear_schedule_with_warmup(optimizer, first, total_steps)
