"""Activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, function: Callable[..., Any], *inputs: Any) -> Any:
    """What the function makes of the inputs by means of the module, none of whose activations is kept.

    What is dropped out is the same in both passes, and running statistics of batch norms count the first alone.

    Source: Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost".
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    how: Any = {"context_fn": partial(_passes, norms)} if norms else {}
    return checkpoint(function, *inputs, use_reentrant=False, **how)


def _passes(norms: list[_BatchNorm]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _unchanged(norms)


@contextmanager
def _unchanged(norms: list[_BatchNorm]) -> Iterator[None]:
    """The running statistics of some norms stay as they are."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
