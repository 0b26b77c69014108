"""The structure models at a small size, and PyKEEN's interactions on the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pykeen.nn.modules import (
    ComplExInteraction,
    DistMultInteraction,
    Interaction,
    RESCALInteraction,
    RotatEInteraction,
    TransEInteraction,
)
from torch import Tensor

from mkgc.kge.distances import RotatE, TransE
from mkgc.kge.model import KGEModel, Target
from mkgc.kge.products import RESCAL, ComplEx, DistMult

ENTITIES, RELATIONS, WIDTH, BATCH, COUNT = 23, 5, 6, 9, 7

MODELS: dict[str, Callable[..., KGEModel]] = {
    "transe-l1": lambda *sizes, **more: TransE(*sizes, norm=1, **more),
    "transe-l2": lambda *sizes, **more: TransE(*sizes, norm=2, **more),
    "transe-unit": lambda *sizes, **more: TransE(*sizes, norm=2, unit=True, **more),
    "distmult": lambda *sizes, **more: DistMult(*sizes, init_std=1.0, **more),
    "complex": lambda *sizes, **more: ComplEx(*sizes, init_std=1.0, **more),
    "rotate-moduli": lambda *sizes, **more: RotatE(*sizes, norm=1, **more),
    "rotate-l2": lambda *sizes, **more: RotatE(*sizes, norm=2, **more),
    "rescal": RESCAL,
}

INTERACTIONS: dict[str, Interaction[Any, Any, Any]] = {
    "transe-l1": TransEInteraction(p=1),
    "transe-l2": TransEInteraction(p=2),
    "transe-unit": TransEInteraction(p=2),
    "distmult": DistMultInteraction(),
    "complex": ComplExInteraction(),
    "rotate-l2": RotatEInteraction(),
    "rescal": RESCALInteraction(),
}


def built(name: str, **more: bool) -> KGEModel:
    torch.manual_seed(0)
    return MODELS[name](ENTITIES, RELATIONS, WIDTH, **more)


def as_complex(halves: Tensor) -> Tensor:
    return torch.complex(*halves.chunk(2, dim=-1))


def representations(model: KGEModel) -> tuple[Tensor, Tensor]:
    """The tables as PyKEEN's interactions take them."""
    entities, relations = model.entities.weight.detach(), model.relations.weight.detach()
    match model:
        case ComplEx():
            return as_complex(entities), as_complex(relations)
        case RotatE():
            return as_complex(entities), torch.polar(torch.ones(()), relations * (torch.pi / model.init_std))
        case RESCAL():
            return entities, relations.view(-1, WIDTH, WIDTH)
    return entities, relations


def triples() -> tuple[Tensor, Tensor, Tensor]:
    """Heads, relations and tails, with a self-loop and a repeated triple."""
    torch.manual_seed(1)
    heads, tails = torch.randint(ENTITIES, (2, BATCH))
    relations = torch.randint(RELATIONS, (BATCH,))
    heads[0] = tails[0]
    heads[2], relations[2], tails[2] = heads[1], relations[1], tails[1]
    return heads, relations, tails


def queries(target: Target) -> tuple[Tensor, Tensor, Tensor]:
    heads, relations, tails = triples()
    asks_tail = torch.full((BATCH,), target == "tail")
    return (heads if target == "tail" else tails), relations, asks_tail


def candidates() -> Tensor:
    torch.manual_seed(2)
    return torch.randint(ENTITIES, (BATCH, COUNT))
