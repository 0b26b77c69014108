"""The optimiser with its decay groups, and its schedule: linear warm-up and linear decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from torch.nn import Parameter
from torch.optim import Adagrad, AdamW, Optimizer, SparseAdam
from torch.optim.lr_scheduler import LambdaLR

from mkgc.errors import ConfigError

ALGORITHMS = ("adamw", "adagrad", "sparse_adam")
"""adagrad is what factorisations are trained with; sparse_adam moves only the rows that a batch speaks of."""


def optimiser(
    named_parameters: Iterable[tuple[str, Parameter]],
    lr: float,
    weight_decay: float,
    head_lr: float | None,
    is_head: Callable[[str], bool],
    algorithm: Literal["adamw", "adagrad", "sparse_adam"] = "adamw",
    mixed: bool = False,
) -> Optimizer:
    """An optimiser of what is trainable: ``head_lr`` where ``is_head`` says so of the name, else ``lr``.

    Vectors (biases, scales of normalisations) are not decayed. ``head_lr=None`` gives heads ``lr`` too.
    ``mixed`` says that steps are made in mixed precision.

    Raises:
        ConfigError: Nothing is trainable, or the algorithm cannot decay weights.
    """
    groups: dict[tuple[bool, bool], list[Parameter]] = {}
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            groups.setdefault((is_head(name), parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise ConfigError("no parameter is trainable, so there is nothing to optimise: freeze fewer parts")
    if algorithm == "sparse_adam" and weight_decay:
        raise ConfigError(f"optim.weight_decay={weight_decay}: sparse_adam cannot decay weights; set it to 0")
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": head_lr if head and head_lr is not None else lr,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (head, decays), parameters in groups.items()
    ]
    if algorithm == "sparse_adam":
        return SparseAdam({key: group[key] for key in ("params", "lr")} for group in settings)
    # One pass over large tables takes half of the time; in mixed precision, Lightning would refuse to clip.
    fused = not mixed and all(p.device.type == "cpu" for parameters in groups.values() for p in parameters)
    return (Adagrad if algorithm == "adagrad" else AdamW)(settings, fused=fused)


def linear_warmup(optimizer: Optimizer, total_steps: int, warmup: float) -> LambdaLR:
    """Rates that rise from zero over the first ``warmup`` share of the steps, then fall to zero at the last.

    Raises:
        ConfigError: ``warmup`` is not in [0, 1), or there is no step.
    """
    if not 0 <= warmup < 1:
        raise ConfigError(f"optim.warmup={warmup} is a share of all steps: 0 <= warmup < 1")
    if total_steps < 1:
        raise ConfigError(
            f"a schedule over {total_steps} steps: there must be at least one; check task.epochs and the data"
        )
    rise = int(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rise:
            return step / rise
        return max(0.0, (total_steps - step) / (total_steps - rise))

    return LambdaLR(optimizer, factor)
